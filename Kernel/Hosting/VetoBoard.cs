using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Every module's vetoes against planned moves of a group. Who reads them decides what they stop.
/// Any thread.
/// </summary>
internal sealed class VetoBoard(TimeProvider clock)
{
    private readonly Lock gate = new();
    private (ModuleVetoes Owner, HandoverVeto Veto)[] owned = [];
    private HandoverVeto[] all = [];

    /// <summary>All there are, oldest first; another list after each change.</summary>
    internal IReadOnlyList<HandoverVeto> All => Volatile.Read(ref all);

    /// <summary>
    /// What one module sees of it. Disposed with the module's services, and its vetoes with it.
    /// </summary>
    internal IHandoverVetoes Of(string module) => new ModuleVetoes(this, module);

    private Withdrawal Add(ModuleVetoes module, GroupId? group, string why, string remedy)
    {
        if (string.IsNullOrWhiteSpace(why) || string.IsNullOrWhiteSpace(remedy))
        {
            throw new RefusedException(new Refusal(
                $"veto of {module.Id}", "a reason, and what ends it", $"\"{why}\", \"{remedy}\"",
                "an operator must know what to do about it"));
        }

        HandoverVeto veto = new(module.Id, group, why, remedy, clock.GetUtcNow());
        lock (gate)
        {
            int had = owned.Count(one => one.Owner == module);
            if (had >= IHandoverVetoes.PerModuleMax || module.Ended)
            {
                throw new RefusedException(new Refusal(
                    $"veto of {module.Id}",
                    $"a module that runs, with fewer than {IHandoverVetoes.PerModuleMax}",
                    module.Ended ? "one that has ended" : $"{had}", "withdraw one first"));
            }

            Set([.. owned, (module, veto)]);
        }

        return new Withdrawal(this, veto);
    }

    private void Remove(Func<(ModuleVetoes Owner, HandoverVeto Veto), bool> goes)
    {
        lock (gate)
        {
            if (Array.Exists(owned, one => goes(one)))
            {
                Set([.. owned.Where(one => !goes(one))]);
            }
        }
    }

    private void Set((ModuleVetoes Owner, HandoverVeto Veto)[] now)
    {
        owned = now;
        Volatile.Write(ref all, [.. now.Select(static one => one.Veto)]);
    }

    // Of one module, and not of all with its id: an old version may go after the next has come.

    private sealed class ModuleVetoes(VetoBoard board, string id) : IHandoverVetoes, IDisposable
    {
        public string Id => id;

        public bool Ended { get; private set; }

        public IReadOnlyList<HandoverVeto> All => board.All;

        public IDisposable Veto(GroupId? group, string why, string remedy) =>
            board.Add(this, group, why, remedy);

        public void Dispose()
        {
            lock (board.gate)
            {
                Ended = true;
            }

            board.Remove(one => one.Owner == this);
        }
    }

    private sealed class Withdrawal(VetoBoard board, HandoverVeto veto) : IDisposable
    {
        public void Dispose() => board.Remove(one => ReferenceEquals(one.Veto, veto));
    }
}
