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
            int had = all.Count(one => one.Who == module.Id);
            if (had >= IHandoverVetoes.PerModuleMax || module.Ended)
            {
                throw new RefusedException(new Refusal(
                    $"veto of {module.Id}",
                    $"a module that runs, with fewer than {IHandoverVetoes.PerModuleMax}",
                    module.Ended ? "one that has ended" : $"{had}", "withdraw one first"));
            }

            Volatile.Write(ref all, [.. all, veto]);
        }

        return new Withdrawal(this, veto);
    }

    private void Remove(Func<HandoverVeto, bool> goes)
    {
        lock (gate)
        {
            if (Array.Exists(all, one => goes(one)))
            {
                Volatile.Write(ref all, [.. all.Where(one => !goes(one))]);
            }
        }
    }

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

            board.Remove(veto => veto.Who == id);
        }
    }

    private sealed class Withdrawal(VetoBoard board, HandoverVeto veto) : IDisposable
    {
        public void Dispose() => board.Remove(one => ReferenceEquals(one, veto));
    }
}
