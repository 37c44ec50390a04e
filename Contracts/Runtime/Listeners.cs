using System.Runtime.ExceptionServices;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// Those who listen to a module on a reactor that several share. Each is called under its own name,
/// as the host would call it: what it throws ends its own module, in a turn of its own, and never
/// whoever has something to tell nor the others who are told. Reactor thread only.
/// </summary>
/// <param name="reactor">Where a listener's fault goes when it is not known whose it is.</param>
public sealed class Listeners(IReactor reactor)
{
    private (Action Call, SynchronizationContext? Whose)[] all = [];

    /// <summary>Adds who is told from now on, after the others.</summary>
    /// <param name="told">Belongs to the module whose callback runs now.</param>
    public void Add(Action? told)
    {
        if (told is not null)
        {
            all = [.. all, (told, SynchronizationContext.Current)];
        }
    }

    /// <summary>Tells somebody no more.</summary>
    /// <param name="told">As it was added.</param>
    public void Remove(Action? told)
    {
        int last = Array.FindLastIndex(all, one => one.Call == told);
        all = last < 0 ? all : [.. all[..last], .. all[(last + 1)..]];
    }

    /// <summary>Tells all of them; who throws is told no more.</summary>
    public void Tell()
    {
        foreach ((Action call, SynchronizationContext? whose) in all)
        {
            if (!Call(reactor, whose, call, static told => told()))
            {
                Remove(call);
            }
        }
    }

    /// <summary>Calls code of another module under that module's name.</summary>
    /// <param name="reactor">Where its fault goes when it is not known whose it is.</param>
    /// <param name="whose">
    /// What was current when the module asked to be called; null when nothing was.
    /// </param>
    /// <param name="state">Given to <paramref name="call"/>.</param>
    /// <param name="call">What is called.</param>
    /// <returns>False when it threw, which its module will be told.</returns>
    public static bool Call<TState>(
        IReactor reactor, SynchronizationContext? whose, TState state, Action<TState> call)
    {
        ArgumentNullException.ThrowIfNull(reactor);
        ArgumentNullException.ThrowIfNull(call);
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(whose ?? before);
        try
        {
            call(state);
            return true;
        }
#pragma warning disable CA1031 // It is passed on, whatever it is, to whose it is.
        catch (Exception fault) when (fault is not InvariantException) // May well be the caller's.
#pragma warning restore CA1031
        {
            ExceptionDispatchInfo thrown = ExceptionDispatchInfo.Capture(fault);
            if (whose is null)
            {
                reactor.Post(Rethrow, thrown);
            }
            else
            {
                whose.Post(Rethrow, thrown);
            }

            return false;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private static void Rethrow(object? thrown) => ((ExceptionDispatchInfo)thrown!).Throw();
}
