using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>Which of the witnesses that are loaded has the register, and which is next.</summary>
internal static class Witnesses
{
    /// <summary>The register; null when no witness is loaded.</summary>
    /// <exception cref="RefusedException">
    /// It cannot be told which one has the register: a guess could be wrong on one node only.
    /// </exception>
    public static MovableWitness? Choose(IServiceProvider services, MonitorSettings settings)
    {
        IWitness[] all = [.. services.GetServices<IWitness>()];
        if (settings.NoWitness)
        {
            return all.Length == 0 ? null : throw Refused(
                "witness", "no witness plugin beside `none`", all[0].Description,
                "leave the setting out, or the plugin out of plugins:clients");
        }

        IWitness? current = settings.Witness is { } id ? Named(services, "witness", id)
            : all.Length < 2 ? all.FirstOrDefault()
            : throw Refused(
                "witness", "the id of the witness that has the register", "nothing, and"
                + $" {all.Length} witnesses: {string.Join("; ", all.Select(w => w.Description))}",
                "name it, and as nextWitness the one it is to move to");
        IWitness? next = settings.NextWitness is { } nextId
            ? Named(services, "nextWitness", nextId) : null;
        return current is null ? null : new MovableWitness(
            current, next, Guid.NewGuid, MovableWitness.OldPlacePatience);
    }

    private static IWitness Named(IServiceProvider services, string key, string id) =>
        services.GetKeyedService<IWitness>(id) ?? throw Refused(
            key, $"a witness plugin {id} that is loaded", "none",
            $"give it settings in plugins:settings:{id}, or correct the id");

    private static RefusedException Refused(
        string key, string expected, string actual, string remedy) =>
        new(new Refusal($"failover-monitor: {key}", expected, actual, remedy));
}
