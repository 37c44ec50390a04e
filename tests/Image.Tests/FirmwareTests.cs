using System.Diagnostics;
using System.Security.Cryptography;

namespace StorageOs.Image.Tests;

/// <summary>What a user writes to a disk: that firmware boots it, its size, its sameness.</summary>
[Trait("Category", "Slow")]
public sealed class FirmwareTests
{
    private const long BytesMax = 100_000_000;
    private const string Firmware = "/usr/share/ovmf/OVMF.fd";
    private static readonly TimeSpan BootTimeMax = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Firmware_boots_the_disk_image_and_the_console_says_what_it_needs()
    {
        string folder = Directory.CreateTempSubdirectory("firmware-").FullName;
        string disk = Path.Combine(folder, "disk.img");
        string console = Path.Combine(folder, "console.log");
        File.Copy(Path.Combine(ImageBuild.Folder, "storageos.img"), disk);
        ProcessStartInfo start = new("qemu-system-x86_64", [
            "-machine", "q35", "-accel", "tcg", "-cpu", "max,smap=off,smep=off,erms=off,fsrm=off", "-m", "1024",
            "-nodefaults", "-display", "none", "-no-reboot", "-bios", Firmware,
            "-serial", $"file:{console}", "-drive", $"file={disk},format=raw,if=virtio"]);
        using Process machine = Process.Start(start)!;
        try
        {
            await Guests.UntilAsync(
                () => Task.FromResult(File.Exists(console)
                    && File.ReadAllText(console).Contains(
                        "no /state/config.json", StringComparison.Ordinal)),
                BootTimeMax, "the image asks for its configuration",
                () => File.Exists(console) ? Guests.Tail(File.ReadAllText(console)) : "");
        }
        finally
        {
            machine.Kill();
            await machine.WaitForExitAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_image_is_small_and_the_same_input_gives_the_same_bytes()
    {
        string efi = Path.Combine(ImageBuild.Folder, "storageos.efi");
        string disk = Path.Combine(ImageBuild.Folder, "storageos.img");
        Assert.InRange(new FileInfo(efi).Length, 1, BytesMax);
        (string, string) before = (Hash(efi), Hash(disk));
        File.Delete(Path.Combine(ImageBuild.Folder, "key")); // As if nothing were built.
        var (code, output) = ImageBuild.StorageOs(TimeSpan.FromMinutes(10), "image", "build");
        Assert.True(code == 0, output);
        Assert.Equal(before, (Hash(efi), Hash(disk)));
    }

    private static string Hash(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexString(SHA256.HashData(file));
    }
}
