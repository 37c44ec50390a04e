using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>
/// <c>package</c>: makes what StorageOs is installed from, of what the build has made.
/// </summary>
internal static class PackageCommand
{
    internal static Command Make()
    {
        Option<string?> version = new("--as")
        {
            Description = "the packages' version (default: the sources')",
        };
        version.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } text && !IsVersion(text))
            {
                result.AddError("--as takes a version, such as 0.2.1 or 0.2.1+7.");
            }
        });
        Command command = new(
            "package", "Makes a Debian package and a tarball in artifacts/package.") { version };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed), parsed.GetValue(version), cancellation));
        return command;
    }

    // What both dpkg and the name of a file take.
    private static bool IsVersion(string text) => text.Length is > 0 and <= 64
        && char.IsAsciiDigit(text[0])
        && text.All(static letter => char.IsAsciiLetterOrDigit(letter) || ".+~".Contains(letter));

    private static async Task<int> RunAsync(
        Output output, string? version, CancellationToken cancellation)
    {
        string script = Path.Combine(SourceTree.Root, "packaging", "build");

        // How far it is goes to this terminal's standard error, by itself.
        ProcessStartInfo start = new(script, version is null ? [] : ["--version", version])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string made = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0)
        {
            return output.Fail(new Refusal(
                script, "to make the packages", $"exit {process.ExitCode}",
                "see what it says above"));
        }

        JsonArray files = [];
        foreach (string path in made.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            await using FileStream file = File.OpenRead(path);
            byte[] hash = await SHA256.HashDataAsync(file, cancellation);
            output.Say(string.Create(
                CultureInfo.InvariantCulture, $"{path}: {file.Length / 1e6:F1} MB"));
            files.Add(new JsonObject
            {
                ["path"] = path,
                ["bytes"] = file.Length,
                ["sha256"] = Convert.ToHexStringLower(hash),
            });
        }

        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, ["files"] = files });
        }

        return ExitCode.Good;
    }
}
