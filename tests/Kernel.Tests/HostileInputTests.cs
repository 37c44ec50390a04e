using System.Text;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm.Wire;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Tests;

/// <summary>What fuzzing has found, each as a test of its own.</summary>
public sealed class HostileInputTests
{
    private static readonly PeerInfo Ours = new(
        1, 1, "build", "a", 1, Guid.NewGuid(), 5, new byte[PeerInfo.NonceBytes],
        PersistenceLevel.Process);

    [Theory]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    public void Peer_info_with_something_missing_is_refused_and_does_not_end_the_node(
        bool name, bool build, bool nonce)
    {
        PeerInfo theirs = Ours with { Name = "b", SystemId = 2 };
        Assert.Null(PeerInfo.Agree(Ours, theirs, out _));
        byte[] bytes = Codec.Write(theirs with
        {
            Name = name ? null! : theirs.Name,
            Build = build ? null! : theirs.Build,
            Nonce = nonce ? null! : theirs.Nonce,
        });
        Assert.Null(Codec.Read(bytes, out PeerInfo? read));
        Assert.Contains("missing", PeerInfo.Agree(Ours, read!, out _)!.Actual);
    }

    [Theory]
    [InlineData("""{"id":"~"}""")]
    [InlineData("""{"~":"a"}""")]
    [InlineData("""{"id":"\ud800"}""")]
    [InlineData("""{"\udfff":"a"}""")]
    public void A_manifest_that_is_no_Unicode_is_refused_and_does_not_end_the_boot(string text)
    {
        IReadOnlyList<Finding> findings = ManifestReader.Read(NoUnicode(text), "/none", out _);
        Assert.Equal("JSON", Assert.Single(findings).Refusal.Expected);
    }

    [Theory]
    [InlineData("""{"command":"~"}""", "a JSON object")]
    [InlineData("""{"~":"status"}""", "a JSON object")]
    [InlineData("""{"command":"\ud800"}""", "\"command\"")]
    [InlineData("""{"command":"status","command":"stop"}""", "one line of JSON")]
    public void A_request_that_nobody_can_have_meant_is_refused_as_one(string line, string expected)
    {
        RefusedException refused = Assert.Throws<RefusedException>(
            () => ManagementCommands.Read(ManagementServer.Parse(NoUnicode(line))));
        Assert.Contains(expected, refused.Refusal.Expected);
    }

    [Fact]
    public void A_path_that_no_file_can_have_is_refused_and_does_not_end_the_boot()
    {
        using MemoryStream text = new(
            """{"node":{"dataDirectory":"a\u0000b"},"plugins":{"directories":["\u0000"]}}"""u8
                .ToArray());
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Parse(text, "/node.json", [], out _);
        Assert.Equal(2, refusals.Count(refusal => refusal.Expected.Contains("printable")));
    }

    /// <summary>The text with a byte that no Unicode text has in place of each tilde.</summary>
    private static byte[] NoUnicode(string text) =>
        [.. Encoding.UTF8.GetBytes(text).Select(letter => letter == '~' ? (byte)0xff : letter)];
}
