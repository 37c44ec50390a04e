using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// One watched descriptor of a reactor. A watch without interest is taken out of the epoll set
/// altogether, for the kernel reports a hang-up to whoever is in it, interested or not. The
/// descriptor stays open while it is watched, whoever closes it: its number must not become
/// another's here.
/// </summary>
internal sealed class DescriptorWatch : IDescriptorWatch
{
    private readonly Reactor reactor;
    private readonly SafeHandle handle;
    private readonly Action<DescriptorInterest> ready;
    private DescriptorInterest interest;

    internal DescriptorWatch(
        Reactor reactor, ModuleScope owner, SafeHandle handle, Action<DescriptorInterest> ready)
    {
        this.reactor = reactor;
        this.handle = handle;
        this.ready = ready;
        Owner = owner;
        try
        {
            bool held = false;
            handle.DangerousAddRef(ref held);
        }
        catch (ObjectDisposedException)
        {
            Ended = true; // Closed by another thread before we came: it will tell nothing.
        }
    }

    /// <summary>Whose callback it is.</summary>
    internal ModuleScope Owner { get; }

    /// <summary>Tells this watch apart in what epoll reports; never used again.</summary>
    internal required ulong Token { get; init; }

    /// <summary>Whether it was disposed.</summary>
    internal bool Ended { get; private set; }

    /// <inheritdoc/>
    public DescriptorInterest Interest
    {
        get => interest;
        set
        {
            Invariant.Require(reactor.IsCurrent);
            if (value == interest || Ended)
            {
                return;
            }

            int operation = interest == DescriptorInterest.None ? Libc.EPOLL_CTL_ADD
                : value == DescriptorInterest.None ? Libc.EPOLL_CTL_DEL : Libc.EPOLL_CTL_MOD;
            reactor.Control(operation, (int)handle.DangerousGetHandle(), Token, Events(value));
            interest = value;
        }
    }

    /// <summary>
    /// Tells the owner, in the terms it asked in; an error or hang-up is for both.
    /// </summary>
    internal void Report(uint events)
    {
        DescriptorInterest seen = DescriptorInterest.None;
        bool broken = (events & (Libc.EPOLLERR | Libc.EPOLLHUP)) != 0;
        if (broken || (events & (Libc.EPOLLIN | Libc.EPOLLRDHUP)) != 0)
        {
            seen |= DescriptorInterest.Readable;
        }

        if (broken || (events & Libc.EPOLLOUT) != 0)
        {
            seen |= DescriptorInterest.Writable;
        }

        seen &= interest;
        if (seen != DescriptorInterest.None)
        {
            ready(seen);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!Ended)
        {
            try
            {
                Interest = DescriptorInterest.None;
            }
            finally
            {
                Ended = true;
                handle.DangerousRelease();
                reactor.Forget(this);
            }
        }
    }

    private static uint Events(DescriptorInterest interest) =>
        (interest.HasFlag(DescriptorInterest.Readable) ? Libc.EPOLLIN | Libc.EPOLLRDHUP : 0)
        | (interest.HasFlag(DescriptorInterest.Writable) ? Libc.EPOLLOUT : 0);
}
