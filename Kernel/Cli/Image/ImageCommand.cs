using System.CommandLine;
using System.Net;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// <c>image</c>: makes the bootable image, and runs pairs of guests that boot it.
/// </summary>
internal static class ImageCommand
{
    internal static Command Make() => new("image", "The bootable storage OS image.")
    {
        Build(), Pair(), DrillGuests(), Forward(),
    };

    /// <summary>Settings for a pair of guests on this machine.</summary>
    internal static async Task<GuestSettings> SettingsAsync(
        string transport, long sizeBytes, int nbdPort, CancellationToken cancellation)
    {
        ImageFiles.Require();
        string known = Path.Combine(ImageFiles.Folder, "accelerator");
        if (!File.Exists(known))
        {
            bool kvm = await GuestProcess.HasKvmAsync(
                Path.Combine(ImageFiles.Folder, "vmlinuz"), cancellation);
            WholeFile.Write(known, kvm ? "kvm" : "tcg");
        }

        string accelerator = await File.ReadAllTextAsync(known, cancellation);
        return new GuestSettings(
            ImageFiles.Folder, accelerator, transport, sizeBytes, nbdPort,
            DrillCommand.FreePorts());
    }

    private static Command Build()
    {
        Option<bool> refresh = new("--refresh") { Description = "ask Debian for newer packages" };
        Command command = new("build", "Makes the image in artifacts/image.") { refresh };
        command.SetAction((parsed, cancellation) => ImageFiles.RunAsync(
            "build", parsed.GetValue(refresh) ? ["--refresh"] : [], cancellation));
        return command;
    }

    private static Command DrillGuests()
    {
        Argument<FileInfo> file = DrillCommand.File();
        Option<string> kill = DrillCommand.Kill();
        Option<Violence> how = new("--how")
        {
            Description = "kill is the loss of power, stop a pause, cut the interconnect",
            DefaultValueFactory = _ => Violence.Kill,
        };
        Option<int> at = DrillCommand.At();
        Option<string> transport = TransportOption();
        Command command = new(
            "drill", "Does violence to a pair of guests in mid-write and checks every byte.")
        {
            file, kill, how, at, transport,
        };
        command.SetAction((parsed, cancellation) => DrillCommand.RunAsync(
            Output.Of(parsed),
            parsed.GetValue(file)!,
            new DrillPlan(
                parsed.GetValue(kill)!, parsed.GetValue(how), parsed.GetValue(at)),
            async (folder, size, port, ending) => await GuestPair.MakeAsync(
                folder,
                await SettingsAsync(parsed.GetValue(transport)!, size, port, ending), ending),
            cancellation));
        return command;
    }

    private static Command Forward()
    {
        Option<string> directory = new("--dir") { Required = true };
        Option<int> exports = new("--exports") { Required = true };
        Command command = new("forward", "Plays the network between clients and a pair of guests.")
        {
            directory, exports,
        };
        command.Hidden = true; // Whoever starts the first guest of a pair starts this.
        command.SetAction((parsed, _) => ForwardAsync(
            parsed.GetValue(directory)!, parsed.GetValue(exports)));
        return command;
    }

    private static async Task<int> ForwardAsync(string directory, int exports)
    {
        PairLayout pair = PairLayout.At(directory);
        GuestSettings guests = pair.Guests!;
        using GuestForwarder forwarder = new(
            new GuestNetwork(directory).Frames, static what => Console.WriteLine(what));
        for (int group = 0; group < PairLayout.Names.Count; group++)
        {
            forwarder.Forward(guests.NbdPort + group, exports + group,
                IPAddress.Parse(GuestNetwork.Service(group)));
        }

        GuestProcess.SayForwards(pair);
        await forwarder.FailedAsync();
        return ExitCode.Failed;
    }

    private static Option<string> TransportOption() => new("--transport")
    {
        Description = "id of the transport plugin",
        DefaultValueFactory = _ => "verbs",
    };

    private static Command Pair()
    {
        Option<string?> directory = new("--dir")
        {
            Description = "the pair's directory (default .storageos/guests)",
        };
        Option<string> transport = TransportOption();
        Option<string> size = PairCommand.SizeOption("256M");
        Option<int> port = PairCommand.PortOption();
        Option<bool> detach = PairCommand.DetachOption();
        Option<FileInfo?> overlay = new("--overlay")
        {
            Description = "a further initramfs, for tests",
            Hidden = true,
        };
        Command command = new("pair", "Boots two guests as a pair, with soft RoCE between them.")
        {
            directory, transport, size, port, detach, overlay,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            _ = ByteSize.TryParse(parsed.GetValue(size), out long bytes);
            Output output = Output.Of(parsed);
            string folder = Path.GetFullPath(
                parsed.GetValue(directory) ?? Path.Combine(".storageos", "guests"));
            GuestSettings guests = await SettingsAsync(
                parsed.GetValue(transport)!, bytes, parsed.GetValue(port), cancellation);
            guests = guests with { Overlay = parsed.GetValue(overlay)?.FullName };
            PairLayout pair = await GuestPair.MakeAsync(folder, guests, cancellation);
            if (parsed.GetResult(port) is { Implicit: false })
            {
                pair = await GuestPair.AtPortAsync(pair, guests.NbdPort, cancellation);
            }

            return await PairCommand.RunMadeAsync(
                output, pair, parsed.GetValue(detach), cancellation);
        });
        return command;
    }
}
