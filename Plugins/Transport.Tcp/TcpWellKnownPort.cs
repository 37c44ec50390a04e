using System.Diagnostics;
using System.Net;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// The well-known port: one node listens, the other dials; both say hello on the link, and then
/// the port's own connections are made like any port's. Progress is made in <see cref="Poll"/>.
/// </summary>
internal sealed class TcpWellKnownPort : IWellKnownPort
{
    private readonly TcpTransport transport;
    private readonly WellKnownNeed need;
    private readonly IPAddress partner;
    private readonly ushort partnerPort;
    private readonly TcpRegion page;
    private readonly TcpRegion inbox;
    private readonly byte[] hello;
    private readonly byte[] answer = new byte[Hello.Bytes];
    private readonly TcpPreparedPort prepared;
    private readonly Lock gate = new(); // Who says hello comes on a service thread.
    private Wire? dialled;
    private long dialledAt;
    private int helloSent;
    private int answerLength;
    private Greeted? greeted;
    private TcpPort? port;
    private TcpRemoteMemory? partnerPage;
    private TcpRemoteMemory? partnerInbox;
    private volatile string detail;
    private WellKnownState state = WellKnownState.Connecting;
    private bool disposed;

    private sealed record Greeted(Hello Hello, Wire Wire);

    /// <summary>Offers page and inbox.</summary>
    public TcpWellKnownPort(TcpTransport transport, WellKnownNeed need, IPAddress partner)
    {
        this.transport = transport;
        this.need = need;
        this.partner = partner;
        ushort localPort = NodeAddress.Port("this node's port number", need.LocalPort);
        partnerPort = NodeAddress.Port("the partner's port number", need.PartnerPort);
        page = transport.Own(need.Page);
        inbox = transport.Own(need.Inbox);
        prepared = transport.PrepareWellKnown();
        RemoteRegion pageOffer = page.OfferAnew(RemoteAccess.Read);
        RemoteRegion inboxOffer = inbox.OfferAnew(RemoteAccess.Read | RemoteAccess.Write);
        hello = new Hello(
            HelloKind.Link,
            prepared.End.Secret,
            localPort,
            partnerPort,
            pageOffer.Key,
            inboxOffer.Key,
            inboxOffer.Address,
            (uint)page.Length,
            (uint)inbox.Length).Encode();
        detail = need.Connects
            ? $"connecting to {partner} port {partnerPort}"
            : $"listening on {transport.Address} port {localPort} for {partner}";
    }

    /// <inheritdoc/>
    public string Detail => detail;

    /// <inheritdoc/>
    public IPort Port => Connected(port);

    /// <inheritdoc/>
    public IRemoteMemory PartnerPage => Connected(partnerPage);

    /// <inheritdoc/>
    public IRemoteMemory PartnerInbox => Connected(partnerInbox);

    /// <summary>What joins the nodes; null before they are.</summary>
    public Link? Link { get; private set; }

    /// <summary>Whether it has been disposed.</summary>
    public bool IsDisposed => Volatile.Read(ref disposed);

    /// <inheritdoc/>
    public WellKnownState Poll()
    {
        switch (state)
        {
            case WellKnownState.Connecting when need.Connects:
                PollDialling();
                break;
            case WellKnownState.Connecting:
                PollListening();
                break;
            case WellKnownState.Connected when port!.State != PortState.Open:
                detail = $"the port to {partner} is {port.State}";
                state = WellKnownState.Failed;
                break;
        }

        return state;
    }

    /// <summary>
    /// Somebody said hello to this node. The newest counts: an older one is of a partner that has
    /// given up. False when it is not for this port. Service thread.
    /// </summary>
    public bool TryGreet(in Hello said, Wire wire, IPAddress from)
    {
        if (need.Connects || !from.Equals(partner) || said.FromPort != partnerPort
            || said.ToPort != need.LocalPort)
        {
            Refuse($"expected {partner} port {partnerPort}, found {from} port {said.FromPort}");
            return false;
        }

        Greeted? older;
        lock (gate)
        {
            if (disposed || Link is not null)
            {
                return false;
            }

            (older, greeted) = (greeted, new Greeted(said, wire));
        }

        older?.Wire.Dispose();
        transport.Changed();
        return true;
    }

    /// <summary>Somebody was refused; for people. Any thread.</summary>
    public void Refuse(string why)
    {
        if (!need.Connects && state == WellKnownState.Connecting)
        {
            detail = $"listening for {partner}; refused somebody: {why}";
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            Volatile.Write(ref disposed, true);
        }

        state = WellKnownState.Failed;
        page.Revoke();
        inbox.Revoke();
        prepared.Dispose();
        port?.Dispose();
        dialled?.Dispose();
        TakeGreeted()?.Wire.Dispose();
        Link?.Dispose();
    }

    private Greeted? TakeGreeted()
    {
        lock (gate)
        {
            Greeted? taken = greeted;
            greeted = null;
            return taken;
        }
    }

    private static T Connected<T>(T? value)
        where T : class
    {
        Invariant.Require(value is not null);
        return value;
    }

    private void PollDialling()
    {
        if (dialled is null)
        {
            if (dialledAt != 0 && Stopwatch.GetElapsedTime(dialledAt) < Limits.DialPeriod)
            {
                return;
            }

            Dial();
        }

        if (dialled is not null && !TryGreetings(dialled))
        {
            Drop(dialled.Failure is { } why
                ? $"{partner} port {partnerPort}: {why}"
                : $"nothing answers at {partner} port {partnerPort}, or it hung up");
        }
        else if (dialled is not null && state == WellKnownState.Connecting
            && Stopwatch.GetElapsedTime(dialledAt) > Limits.DialTimeout)
        {
            Drop($"{partner} port {partnerPort} does not answer");
        }
    }

    private void Dial()
    {
        dialledAt = Stopwatch.GetTimestamp();
        (helloSent, answerLength) = (0, 0);
        try
        {
            dialled = transport.Dial(partner, partnerPort);
        }
        catch (RefusedException refused)
        {
            detail = refused.Message;
        }
    }

    /// <summary>Says hello and waits for the other's; false when the connection ended.</summary>
    private bool TryGreetings(Wire wire)
    {
        if (helloSent < hello.Length)
        {
            int count = wire.Send(hello.AsSpan(helloSent), []);
            helloSent += Math.Max(0, count);
        }

        if (!wire.Flush())
        {
            return false;
        }

        int received = wire.Receive(answer.AsSpan(answerLength));
        answerLength += Math.Max(0, received);
        if (answerLength < Hello.Bytes)
        {
            return received >= 0;
        }

        if (Hello.Decode(answer, out Refusal? refusal) is { Kind: HelloKind.Link } said)
        {
            dialled = null;
            Finish(said, wire);
        }
        else
        {
            Drop(refusal?.ToString() ?? "another kind of hello");
        }

        return true;
    }

    private void PollListening()
    {
        if (TakeGreeted() is { } call)
        {
            // A fresh connection takes 64 bytes at once, or it is not worth having.
            if (call.Wire.Send(hello, []) == hello.Length && call.Wire.Flush())
            {
                Finish(call.Hello, call.Wire);
            }
            else
            {
                call.Wire.Dispose();
            }
        }
    }

    private void Finish(in Hello theirs, Wire wire)
    {
        lock (gate)
        {
            Link = new Link(transport, wire, partner, partnerPort, need.Connects);
        }

        TakeGreeted()?.Wire.Dispose(); // Came while this one was answered.
        transport.Control.Post(Link);
        port = prepared.Join(theirs.Secret, Link);
        partnerPage = Import(theirs.PageKey, need.PartnerMemoryAddress, theirs.PageLength);
        partnerInbox = Import(theirs.InboxKey, theirs.InboxAddress, theirs.InboxLength);
        detail = $"connected to {partner} port {partnerPort}";
        state = WellKnownState.Connected;
    }

    private static TcpRemoteMemory Import(ulong key, ulong address, uint length) =>
        new(new RemoteRegion(key, address, length, RemoteAccess.Read));

    private void Drop(string why)
    {
        dialled?.Dispose();
        dialled = null;
        detail = why;
    }
}
