using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>Who comes before whom, and who is refused when that cannot be.</summary>
public sealed class PluginOrderTests
{
    [Fact]
    public void What_is_of_the_system_comes_as_early_as_it_can() => Assert.Equal(
        "log witness monitor greeter",
        Order(
            Others("greeter"), Others("witness", provides: [typeof(IWitness)]),
            System("monitor", requires: [typeof(IWitness)]), System("log")));

    [Fact]
    public void Of_two_providers_of_one_service_the_systems_is_the_one() => Assert.Equal(
        "volumes; mine: to be the only provider of IVolumes",
        Order(
            Others("mine", provides: [typeof(IVolumes)]),
            System("volumes", provides: [typeof(IVolumes)])));

    [Fact]
    public void A_circle_with_the_system_costs_the_other_alone() => Assert.Equal(
        "monitor user; witness: a provider of IOwnership",
        Order(
            Others("witness", provides: [typeof(IWitness)], requires: [typeof(IOwnership)]),
            System("monitor", provides: [typeof(IOwnership)], uses: [typeof(IWitness)]),
            Others("user", requires: [typeof(IOwnership)])));

    [Fact]
    public void A_provider_that_cannot_come_is_not_waited_for_by_the_system() => Assert.Equal(
        "file monitor; witness: a provider of IVolumes",
        Order(
            Others("witness", provides: [typeof(IWitness)], requires: [typeof(IVolumes)]),
            System("file", provides: [typeof(IWitness)]),
            System("monitor", requires: [typeof(IWitness)])));

    [Fact]
    public void Who_only_hangs_on_a_circle_is_not_taken_for_a_part_of_it() => Assert.Equal(
        "volumes witness monitor; hook: a provider of IVolumes",
        Order(
            Others("witness", provides: [typeof(IWitness)], requires: [typeof(IVolumes)]),
            System("monitor", uses: [typeof(IWitness)]),
            System("volumes", provides: [typeof(IVolumes)], uses: [typeof(IOwnership)]),
            Others("hook", provides: [typeof(IOwnership)], requires: [typeof(IVolumes)])));

    [Fact]
    public void Among_others_a_circle_is_refused_as_a_whole() => Assert.Equal(
        "; one: a provider of IWitness; two: a provider of IVolumes",
        Order(
            Others("one", provides: [typeof(IVolumes)], requires: [typeof(IWitness)]),
            Others("two", provides: [typeof(IWitness)], uses: [typeof(IVolumes)])));

    private static string Order(params PluginManifest[] plugins)
    {
        SortedDictionary<string, Refusal> refusals = new(StringComparer.Ordinal);
        IReadOnlyList<PluginLink> links = PluginOrder.Of(plugins, refusals);
        return string.Join("; ", refusals.Select(
            static refused => $"{refused.Key}: {refused.Value.Expected}").Prepend(
            string.Join(' ', links.Select(static link => link.Manifest.Id))));
    }

    private static PluginManifest System(
        string id, Type[]? provides = null, Type[]? requires = null, Type[]? uses = null) =>
        Others(id, provides, requires, uses) with { Origin = PluginOrigin.System };

    private static PluginManifest Others(
        string id, Type[]? provides = null, Type[]? requires = null, Type[]? uses = null) =>
        new(
            id, "1", provides?.Contains(typeof(IWitness)) == true
                ? PluginKind.Witness : PluginKind.Client,
            "/f", "/f/a.dll", "T", provides ?? [], requires ?? [], PluginPlacement.Storage)
        {
            Uses = uses ?? [],
            Origin = PluginOrigin.Store,
        };
}
