using System.Security.Cryptography;

namespace StorageOs.Nbd.Tests;

/// <summary>Debian's NBD clients against the export.</summary>
public sealed class StockClientTests
{
    [Fact]
    public async Task Nbdinfo_sees_the_export_its_size_and_what_it_can()
    {
        using var rig = new Rig();
        string info = await Tool.Run("nbdinfo", rig.Uri);
        Assert.Contains("export-size: 67108864", info);
        Assert.Contains("can_multi_conn: true", info);
        Assert.Contains("block_size_maximum: 33554432", info);
        Assert.Contains("\"vol0\"", await Tool.Run("nbdinfo", "--list",
            $"nbd://127.0.0.1:{rig.Port}/"));
    }

    [Theory]
    [InlineData("--connections=1", "--requests=1")]
    [InlineData("--connections=4", "--requests=64")]
    public async Task Nbdcopy_brings_back_what_it_wrote(string connections, string requests)
    {
        using var rig = new Rig();
        byte[] data = RandomNumberGenerator.GetBytes((40 << 20) + 777);
        await File.WriteAllBytesAsync(rig.Path("in"), data);
        await Tool.Run("nbdcopy", connections, requests, rig.Path("in"), rig.Uri);
        await Tool.Run("nbdcopy", connections, requests, rig.Uri, rig.Path("out"));
        byte[] back = await File.ReadAllBytesAsync(rig.Path("out"));
        Assert.True(data.AsSpan().SequenceEqual(back.AsSpan(0, data.Length)));
    }

    [Fact]
    public async Task Nbdsh_trims_zeroes_flushes_and_asks_for_block_status()
    {
        using var rig = new Rig();
        await Tool.Run("nbdsh", "-c", $$"""
            h.set_strict_mode(0)
            h.add_meta_context("base:allocation")
            h.connect_uri("{{rig.Uri}}")
            assert h.get_structured_replies_negotiated()
            h.pwrite(b"x" * 65536, 0, nbd.CMD_FLAG_FUA)
            h.pwrite(b"abc", 100001)
            assert h.pread(5, 100000) == b"\0abc\0"
            h.trim(8192, 4096)
            assert h.pread(16384, 0) == b"x" * 4096 + b"\0" * 8192 + b"x" * 4096
            h.zero(4096, 16384, nbd.CMD_FLAG_NO_HOLE)
            assert h.pread(4096, 16384) == b"\0" * 4096
            h.flush()
            seen = []
            h.block_status(65536, 0, lambda name, off, e, err: seen.append((name, off, e)) or 0)
            assert seen == [("base:allocation", 0, [4096, 0, 8192, 3, 53248, 0])], seen
            seen = []
            h.block_status(65536, 0, lambda name, off, e, err: seen.append(e) or 0,
                           nbd.CMD_FLAG_REQ_ONE)
            assert seen == [[4096, 0]], seen
            h.pwrite(b"y" * (32 << 20), 1 << 20)
            assert h.pread(32 << 20, 1 << 20) == b"y" * (32 << 20)
            h.zero(40 << 20, 0)
            assert h.pread(1 << 20, 32 << 20) == b"\0" * (1 << 20)
            h.shutdown()
            """);
        Assert.Equal(1, rig.Node.Reactor.Invoke(() => rig.Node.Volume.Forced));
    }

    [Theory]
    [InlineData("True")]
    [InlineData("False")]
    public async Task Nbdsh_hears_an_error_for_an_invalid_request_and_goes_on(string structured)
    {
        using var rig = new Rig();
        await Tool.Run("nbdsh", "-c", $$"""
            import errno
            h.set_strict_mode(0)
            h.set_request_structured_replies({{structured}})
            h.connect_uri("{{rig.Uri}}")
            assert h.get_structured_replies_negotiated() == {{structured}}
            end = h.get_size()
            def fails(what, code):
                try:
                    what()
                except nbd.Error as error:
                    assert error.errnum == code, error
                else:
                    assert False
            fails(lambda: h.pread(512, end), errno.EINVAL)
            fails(lambda: h.pwrite(b"x" * 1024, end - 512), errno.ENOSPC)
            fails(lambda: h.pwrite(b"x" * 300000, end - 512), errno.ENOSPC)
            fails(lambda: h.zero(1024, end - 512), errno.ENOSPC)
            fails(lambda: h.trim(1024, end - 512), errno.EINVAL)
            fails(lambda: h.cache(512, 0), errno.EINVAL)
            fails(lambda: h.pwrite(b"", 0), errno.EINVAL)
            h.pwrite(b"fine", 0)
            assert h.pread(4, 0) == b"fine"
            h.shutdown()
            """);
    }

    [Fact]
    public async Task Qemu_io_verifies_patterns()
    {
        using var rig = new Rig();
        string text = await Tool.Run("qemu-io", "-f", "raw", "-c", "write -P 7 0 1M",
            "-c", "write -z 64k 64k", "-c", "discard 256k 64k", "-c", "flush",
            "-c", "read -P 7 0 64k", "-c", "read -P 0 64k 64k", "-c", "read -P 0 256k 64k",
            "-c", "aio_write -P 9 2M 2M", "-c", "aio_flush", "-c", "read -P 9 2M 2M", rig.Uri);
        Assert.DoesNotContain("failed", text);
    }

    [Fact]
    public async Task Fio_writes_at_depth_and_verifies()
    {
        using var rig = new Rig();
        await Tool.Run("fio", "--name=verify", "--ioengine=nbd", $"--uri={rig.Uri}",
            "--rw=randwrite", "--bsrange=512-128k", "--bs_unaligned=0", "--iodepth=32",
            "--size=32m", "--verify=crc32c", "--do_verify=1", "--randseed=7",
            $"--aux-path={rig.Path("")}", "--verify_state_save=0");
    }
}
