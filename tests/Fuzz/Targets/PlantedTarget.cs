using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Fuzz.Targets;

/// <summary>
/// Not of the product: a parser with a bug planted behind a checksum and a word of six letters, to
/// see that the fuzzer finds such.
/// </summary>
internal sealed class PlantedTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "planted";

    /// <inheritdoc/>
    public override int BytesMax => 64;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => [];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() => [new byte[16]];

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length >= sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(input, Crc32C.Of(input[sizeof(uint)..]));
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input) => PlantedParser.Parse(input);
}

/// <summary>The parser; the one type of this assembly that is instrumented.</summary>
internal static class PlantedParser
{
    /// <summary>Reads; or throws, by its bug.</summary>
    public static void Parse(ReadOnlySpan<byte> input)
    {
        if (input.Length < 12 || BinaryPrimitives.ReadUInt32LittleEndian(input)
            != Crc32C.Of(input[sizeof(uint)..]))
        {
            return;
        }

        ReadOnlySpan<byte> word = input[sizeof(uint)..];
        if (word[0] == 'S' && word[1] == 't' && word[2] == 'o' && word[3] == 'r'
            && word[4] == 'O' && word[5] == 'S')
        {
            _ = word[word[6] + 20]; // Nothing says that there is so much.
        }
    }
}
