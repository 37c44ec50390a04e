using System.Text.Json.Serialization;
using StorageOs.Contracts.Services;

namespace MySpace;

/// <summary>An entry as it stands in its file.</summary>
internal sealed record Stored(
    [property: JsonRequired] Guid Register,
    [property: JsonRequired] byte Group,
    [property: JsonRequired] ulong Term,
    [property: JsonRequired] ulong Owner,
    [property: JsonRequired] SyncState Sync,
    [property: JsonRequired] ulong StaleNode,
    [property: JsonRequired] ulong StaleSince,
    [property: JsonRequired] Guid Swap)
{
    public static Stored Of(RegisterEntry entry) => new(
        entry.RegisterId, entry.Group.Value, entry.Term.Value, entry.Owner, entry.Sync,
        entry.StaleNode, entry.StaleSince.Value, entry.SwapId);

    public RegisterEntry ToEntry() => new(
        Register, new GroupId(Group), new Term(Term), Owner, Sync, StaleNode,
        new Lsn(StaleSince), Swap);
}

/// <summary>How it is written: generated, for nothing is looked up at run time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(Stored))]
internal sealed partial class Format : JsonSerializerContext;
