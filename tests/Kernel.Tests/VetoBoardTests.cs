using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// What the host keeps of vetoes: whose, since when, and no longer than the module lives.
/// </summary>
public sealed class VetoBoardTests
{
    private readonly VetoBoard board = new(TimeProvider.System);

    [Fact]
    public void A_veto_is_told_with_whose_it_is_and_since_when_until_it_is_withdrawn()
    {
        DateTimeOffset before = DateTimeOffset.UtcNow;
        IHandoverVetoes backup = board.Of("backup");
        IHandoverVetoes reader = board.Of("failover-monitor");
        Assert.Empty(reader.All);
        using (backup.Veto(new GroupId(1), "a copy is being made", "wait for it"))
        {
            HandoverVeto veto = Assert.Single(reader.All);
            Assert.Equal(
                ("backup", new GroupId(1), "a copy is being made", "wait for it"),
                (veto.Who, veto.Group, veto.Why, veto.Remedy));
            Assert.InRange(veto.Since, before, DateTimeOffset.UtcNow);
            Assert.Same(reader.All, reader.All);
        }

        Assert.Empty(reader.All);
    }

    [Fact]
    public void A_modules_vetoes_go_with_its_services_and_it_can_have_no_more()
    {
        ServiceProvider services = new ServiceCollection()
            .AddSingleton(_ => board.Of("backup")).BuildServiceProvider();
        IHandoverVetoes backup = services.GetRequiredService<IHandoverVetoes>();
        _ = backup.Veto(null, "one", "wait");
        _ = backup.Veto(null, "two", "wait");
        using IDisposable other = board.Of("other").Veto(null, "three", "wait");
        services.Dispose();
        Assert.Equal("other", Assert.Single(board.All).Who);
        Assert.Throws<RefusedException>(() => backup.Veto(null, "late", "wait"));
    }

    [Fact]
    public void An_old_version_that_goes_late_takes_nothing_of_the_next()
    {
        IHandoverVetoes old = board.Of("backup");
        _ = old.Veto(null, "old", "wait");
        IHandoverVetoes next = board.Of("backup");
        _ = next.Veto(null, "next", "wait");
        ((IDisposable)old).Dispose();
        Assert.Equal("next", Assert.Single(board.All).Why);
        Assert.Throws<RefusedException>(() => old.Veto(null, "late", "wait"));
        _ = next.Veto(null, "more", "wait");
    }

    [Fact]
    public void Too_many_and_those_that_help_nobody_are_refused()
    {
        IHandoverVetoes backup = board.Of("backup");
        Assert.Throws<RefusedException>(() => backup.Veto(null, "", "wait"));
        Assert.Throws<RefusedException>(() => backup.Veto(null, "why", " "));
        for (int count = 0; count < IHandoverVetoes.PerModuleMax; count++)
        {
            _ = backup.Veto(null, "why", "wait");
        }

        RefusedException refused =
            Assert.Throws<RefusedException>(() => backup.Veto(null, "why", "wait"));
        Assert.Contains("backup", refused.Refusal.Subject, StringComparison.Ordinal);
        _ = board.Of("other").Veto(null, "why", "wait"); // Each has its own.
    }
}
