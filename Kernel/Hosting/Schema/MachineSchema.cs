using System.Text.Json;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Schema;

/// <summary>
/// What the image's scripts take from <c>machine</c> (image/root/etc/storageos). A node takes
/// nothing from it and boots whatever it says; <c>config check</c> holds it against this.
/// </summary>
internal static class MachineSchema
{
    private const string Resource = "machine.schema.json";

    /// <summary>The schema.</summary>
    internal static SettingsSchema Schema { get; } = Read();

    private static SettingsSchema Read()
    {
        using Stream text =
            typeof(MachineSchema).Assembly.GetManifestResourceStream(Resource)!;
        using JsonDocument document = JsonDocument.Parse(text);
        return new SettingsSchemaReader(
            static (key, expected, actual) => throw new InvariantException(
                $"{key}: expected {expected}, found {actual}"))
            .Read(document.RootElement, "machine");
    }
}
