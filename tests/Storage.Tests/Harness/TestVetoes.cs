using StorageOs.Contracts.Services;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>The host's board of vetoes, of one thread and one module.</summary>
internal sealed class TestVetoes : IHandoverVetoes
{
    private readonly List<HandoverVeto> all = [];

    public IReadOnlyList<HandoverVeto> All => all;

    public IDisposable Veto(GroupId? group, string why, string remedy)
    {
        HandoverVeto veto = new("volumes", group, why, remedy, DateTimeOffset.UnixEpoch);
        all.Add(veto);
        return new Withdrawal(() => all.Remove(veto));
    }

    private sealed class Withdrawal(Action withdraw) : IDisposable
    {
        public void Dispose() => withdraw();
    }
}
