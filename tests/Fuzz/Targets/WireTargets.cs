using System.Buffers.Binary;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Fuzz.Targets;

/// <summary>The head of the partner's status page, and its words.</summary>
internal sealed class StatusPageTarget() : FixedTarget(StatusPage.HeadBytes)
{
    private const int CrcAt = 60;
    private readonly byte[] again = new byte[StatusPage.HeadBytes];

    /// <inheritdoc/>
    public override string Name => "status-page";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.Kernel.Ccm.Identity", "StorageOs.Kernel.Ccm.StatusWord"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        byte[] page = new byte[StatusPage.HeadBytes];
        new Identity(2, Guid.Parse("6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a"), 7).Write(page);
        yield return page;
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input) => PutCrc(input, CrcAt, 0, CrcAt);

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        Refusal? refusal = Identity.Read(whole, out Identity identity);
        if (refusal is null)
        {
            identity.Write(again);
            Promise.Require(
                Identity.Read(again, out Identity second) is null && second == identity,
                "an identity that was read is read again when it was written");
        }

        ulong word = BinaryPrimitives.ReadUInt64LittleEndian(whole);
        Promise.Require(
            StatusWord.Unpack(word).Packed == word, "a status word is packed as it was");
        InboxWord inbox = InboxWord.Unpack(word);
        Promise.Require(inbox.Packed == word, "an inbox word is packed as it was");
        int slot = StatusPage.SlotOffset(inbox.Records);
        Promise.Require(
            slot >= StatusPage.OutboxOffset
                && slot + StatusPage.SlotBytes <= StatusPage.PageBytes,
            "a record's slot lies in the page");
    }
}

/// <summary>A slot of the partner's outbox.</summary>
internal sealed class OutboxTarget : Target
{
    private const ulong Sequence = 3;
    private const int HeaderBytes = 16;
    private readonly byte[] slot = new byte[StatusPage.SlotBytes];
    private int used;

    /// <inheritdoc/>
    public override string Name => "outbox";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Kernel.Ccm.Wire.Record"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        yield return Record.Frame(Sequence, "a payload"u8);
        yield return Record.Frame(Sequence, []);
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        const int TrailerBytes = sizeof(ulong);
        if (input.Length >= HeaderBytes + TrailerBytes)
        {
            int length = input.Length - HeaderBytes - TrailerBytes;
            BinaryPrimitives.WriteUInt64LittleEndian(input, Sequence);
            BinaryPrimitives.WriteInt32LittleEndian(input[8..], length);
            BinaryPrimitives.WriteUInt32LittleEndian(
                input[12..], Crc32C.Of(input.Slice(HeaderBytes, length)));
            BinaryPrimitives.WriteUInt64LittleEndian(input[^TrailerBytes..], Sequence);
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        slot.AsSpan(0, used).Clear();
        input.CopyTo(slot);
        used = input.Length;
        if (Record.Unframe(Sequence, slot, out ReadOnlyMemory<byte> payload) is null)
        {
            Promise.Require(
                payload.Length <= Record.PayloadBytesMax, "a payload fits its slot");
            Promise.Require(
                slot.AsSpan().StartsWith(Record.Frame(Sequence, payload.Span)),
                "a record is framed as it was");
        }
    }
}

/// <summary>What the partner says of itself, before it has proved anything.</summary>
internal sealed class PeerInfoTarget : Target
{
    private static readonly Guid Pair = Guid.Parse("6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a");

    /// <inheritdoc/>
    public override string Name => "peer-info";

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (64L * bytes);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Kernel.Ccm.Wire.PeerInfo"];

    /// <summary>The info of a node of that name and system id.</summary>
    public static PeerInfo Of(string name, ulong id) => new(
        1, 1, "build", name, id, Pair, 7, new byte[PeerInfo.NonceBytes],
        PersistenceLevel.Process);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        yield return Codec.Write(Of("b", 2));
        yield return Codec.Write(Of("a", 2));
        yield return Codec.Write(Of("b", 2) with { VersionMin = 3, VersionMax = 4 });
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (Codec.Read(input.ToArray(), out PeerInfo? theirs) is not null)
        {
            return;
        }

        byte[] once = Codec.Write(theirs!);
        Promise.Require(
            Codec.Read(once, out PeerInfo? second) is null
                && Codec.Write(second!).AsSpan().SequenceEqual(once),
            "peer info that was read is read again when it was written");
        if (PeerInfo.Agree(Of("a", 1), theirs!, out ushort version) is null)
        {
            Promise.Require(version == 1, "only a version of both is agreed on");
        }
    }
}

/// <summary>What the partner says once it has proved the pair key.</summary>
internal sealed class MessageTarget : Target
{
    /// <summary>What both nodes need.</summary>
    public static ClientInfo Ours { get; } = new(
        "alpha", 1, 1, 2, [new("port", 8, PortClass.Bulk)],
        [new("memory", 4096, RemoteAccess.Write, true)], false);

    /// <inheritdoc/>
    public override string Name => "message";

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (64L * bytes);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.Kernel.Ccm.Wire", "StorageOs.Kernel.Ccm.ResourcePlan"];

    /// <summary>One message of every kind.</summary>
    public static IEnumerable<Message> Each(uint planHash = 0) =>
    [
        new ClientEdition(1, [Ours]),
        new GrantMessage("alpha", 1, 1, planHash, [[1, 2, 3]],
            [new("memory", 1, 4096, 4096, RemoteAccess.Write)]),
        new ClientReadyMessage("alpha", 1, 1),
        new ReadyMessage(),
        new PortMessage("alpha", "port", 1, [4, 5]),
        new PortMessage("alpha", "port", 2, null),
        new RegionMessage("alpha", "memory", new("memory", 2, 8192, 4096, RemoteAccess.Write)),
        new RegionMessage("alpha", "memory", null),
    ];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() => Each().Select(Codec.Write);

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (Codec.Read(input.ToArray(), out Message? message) is not null)
        {
            return;
        }

        byte[] once = Codec.Write(message!);
        Promise.Require(
            Codec.Read(once, out Message? second) is null
                && Codec.Write(second!).AsSpan().SequenceEqual(once),
            "a message that was read is read again when it was written");
        if (message is ClientEdition edition && ResourcePlan.Check(edition) is null)
        {
            foreach (ClientInfo theirs in edition.Clients)
            {
                _ = ResourcePlan.Fit(Ours, theirs, out ushort version);
                _ = ResourcePlan.Hash(theirs, Ours, version);
            }
        }
    }
}
