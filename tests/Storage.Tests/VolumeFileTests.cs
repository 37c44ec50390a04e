using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes;

namespace StorageOs.Storage.Tests;

/// <summary>What a volume's file does that a disk in memory cannot show.</summary>
public sealed class VolumeFileTests
{
    /// <summary>
    /// A block device refuses a hole that is not of whole blocks, and some devices refuse all: the
    /// trim was acknowledged, so zeros have to be there, and the disk is not broken.
    /// </summary>
    [Theory]
    [InlineData(0, 4096)]
    [InlineData(1000, (2 << 20) + 77)]
    [InlineData((3 << 20) - 1, 1)]
    public void ZerosAreWrittenWhereNoHoleCanBePunched(int offset, int length)
    {
        const int Bytes = 3 << 20;
        string folder = Directory.CreateTempSubdirectory("volume-file-").FullName;
        VolumeSettings settings = new("vol0", new GroupId(0), Bytes);
        byte[] wanted = new byte[Bytes];
        Array.Fill(wanted, (byte)7);
        using (VolumeFile volume = VolumeFile.Open(settings, folder))
        {
            Assert.Equal(DiskResult.Ok, volume.Write([wanted], 0));
            Assert.Equal(DiskResult.Ok, volume.WriteZeros(offset, length));
            wanted.AsSpan(offset, length).Clear();
            byte[] found = new byte[Bytes];
            Assert.Equal(DiskResult.Ok, volume.Read(found, 0));
            Assert.True(wanted.AsSpan().SequenceEqual(found));
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Acknowledged records beyond the new end would be passed over in silence.</summary>
    [Fact]
    public void AVolumeThatIsConfiguredSmallerThanItWasIsRefused()
    {
        string folder = Directory.CreateTempSubdirectory("volume-file-").FullName;
        VolumeSettings settings = new("vol0", new GroupId(0), 8192);
        VolumeFile.Open(settings, folder).Dispose();
        RefusedException refused = Assert.Throws<RefusedException>(
            () => VolumeFile.Open(settings with { SizeBytes = 4096 }, folder));
        Assert.Contains("sizeBytes 8192", refused.Refusal.Remedy, StringComparison.Ordinal);
        using (VolumeFile larger = VolumeFile.Open(settings with { SizeBytes = 12288 }, folder))
        {
            Assert.Equal(DiskResult.Ok, larger.Write([new byte[4096]], 8192));
        }

        Directory.Delete(folder, recursive: true);
    }
}
