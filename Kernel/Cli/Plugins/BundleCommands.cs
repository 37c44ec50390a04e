using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>Commands for who makes plugins: they need no pair.</summary>
internal static class BundleCommands
{
    internal static IEnumerable<Command> Make() => [Pack(), Validate(), KeyGen(), Sign()];

    private static Command Pack()
    {
        Argument<DirectoryInfo> folder = new("folder") { Description = "a plugin's folder" };
        Option<string> into = new("--into")
        {
            Description = "folder that the bundle goes to",
            DefaultValueFactory = static _ => ".",
        };
        Command command = new("pack", "Makes a bundle of a plugin's folder.") { folder, into };
        command.SetAction(parsed =>
        {
            PluginInspection? found = null;
            string bundle = BundleWriter.Pack(
                parsed.GetValue(folder)!.FullName, parsed.GetValue(into)!, made =>
                {
                    found = Inspect(made, PluginTrust.Anybody);
                    return found.Error is null;
                });
            return Report(Output.Of(parsed), bundle, $"packed {bundle}", found!);
        });
        return command;
    }

    private static Command Validate()
    {
        Argument<string> path = new("path") { Description = "a plugin's folder or bundle" };
        Option<string?> trust = new("--trust") { Description = "folder of trusted public keys" };
        Option<bool> signed = new("--require-signed")
        {
            Description = "refuse what is not signed by one of them",
        };
        Command command = new("validate", "Checks a plugin as a node does before it loads it.")
        {
            path, trust, signed,
        };
        command.SetAction(parsed =>
        {
            IReadOnlyList<Refusal> refusals = [];
            TrustedKeys keys = parsed.GetValue(trust) is { } directory
                ? TrustedKeys.Load(Path.GetFullPath(directory), out refusals) : TrustedKeys.None;
            PluginTrust whom = new(keys, parsed.GetValue(signed));
            string target = Path.GetFullPath(parsed.GetValue(path)!);
            return Report(
                Output.Of(parsed), target, null, AddWarnings(Inspect(target, whom), refusals));
        });
        return command;
    }

    private static Command KeyGen()
    {
        Option<string> name = new("--out")
        {
            Description = "makes NAME.key.pem, to sign with, and NAME.pem, to be trusted by",
            Required = true,
        };
        Command command = new("keygen", "Makes a pair of keys to sign plugins with.") { name };
        command.SetAction(parsed =>
        {
            string path = Path.GetFullPath(parsed.GetValue(name)!);
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            FileStreamOptions mine = new()
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            };

            // Both are new, or neither is made: one that is there may be the only one of its kind.
            using (StreamWriter shown = new(new FileStream(
                path + ".pem", FileMode.CreateNew, FileAccess.Write)))
            using (StreamWriter secret = new(path + ".key.pem", mine))
            {
                shown.Write(key.ExportSubjectPublicKeyInfoPem() + "\n");
                secret.Write(key.ExportPkcs8PrivateKeyPem() + "\n");
            }

            return Done(
                Output.Of(parsed), $"made {path}.key.pem and {path}.pem, key "
                + PluginSignature.IdOf(key), ("keyId", PluginSignature.IdOf(key)));
        });
        return command;
    }

    private static Command Sign()
    {
        Argument<FileInfo> bundle = new("bundle") { Description = "what plugin pack made" };
        Option<string> file = new("--key")
        {
            Description = "the private key, PEM",
            Required = true,
        };
        Command command = new("sign", "Signs a bundle.") { bundle, file };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(bundle)!.FullName;
            using ECDsa key = TrustedKeys.ReadPrivate(parsed.GetValue(file)!);
            PluginInspection inspection = Inspect(path, PluginTrust.Anybody);
            if (inspection.Error is { } error)
            {
                return Output.Of(parsed).Fail(error.Refusal);
            }

            BundleWriter.AddSignature(path, manifest => PluginSignature.Make(key, manifest));
            return Done(
                Output.Of(parsed), $"signed {path} with key {PluginSignature.IdOf(key)}",
                ("keyId", PluginSignature.IdOf(key)));
        });
        return command;
    }

    private static int Done(Output output, string line, (string Key, string Value) fact)
    {
        output.Say(line);
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, [fact.Key] = fact.Value });
        }

        return ExitCode.Good;
    }

    /// <summary>Looks at a folder, or a bundle, which is unpacked for that time.</summary>
    private static PluginInspection Inspect(string path, PluginTrust trust)
    {
        if (Directory.Exists(path))
        {
            return Validation.OfFolder(path, trust, PluginTrust.IsSystem(path)
                ? PluginOrigin.System : PluginOrigin.Directory);
        }

        string unpacked = Directory.CreateTempSubdirectory("storageos-plugin-").FullName;
        try
        {
            return Validation.OfBundle(path, unpacked, trust);
        }
        finally
        {
            Directory.Delete(unpacked, recursive: true);
        }
    }

    private static PluginInspection AddWarnings(
        PluginInspection inspection, IReadOnlyList<Refusal> refusals) => inspection with
        {
            Findings =
            [
                .. inspection.Findings,
                .. refusals.Select(static refusal => new Finding(FindingKind.Warning, refusal)),
            ],
        };

    private static int Report(
        Output output, string path, string? done, PluginInspection inspection)
    {
        bool ok = inspection.Error is null;
        if (output.Json)
        {
            Output.Write(Document(path, inspection));
            return ok ? ExitCode.Good : ExitCode.Failed;
        }

        foreach (Finding finding in inspection.Findings)
        {
            string kind = finding.IsError ? PluginStanding.Of(finding.Kind) : "warning";
            output.Say($"{kind}: {finding.Refusal}");
        }

        if (done is not null && ok)
        {
            output.Say(done);
        }

        output.Say(ok
            ? $"{inspection.Name} {inspection.Manifest!.Version} can be loaded"
            : $"{inspection.Name} would not be loaded");
        return ok ? ExitCode.Good : ExitCode.Failed;
    }

    private static JsonObject Document(string path, PluginInspection inspection) => new()
    {
        ["ok"] = inspection.Error is null,
        ["path"] = path,
        ["id"] = inspection.Name,
        ["version"] = inspection.Manifest?.Version,
        ["signature"] = inspection.Manifest?.Signature.ToString().ToLowerInvariant(),
        ["standing"] = inspection.Error is { } error
            ? PluginStanding.Of(error.Kind) : PluginStanding.Installed,
        ["findings"] = new JsonArray([.. inspection.Findings.Select(static finding =>
        {
            JsonObject shown = StatusDocument.Of(finding.Refusal)!;
            shown["severity"] = finding.IsError ? "error" : "warning";
            shown["standing"] = finding.IsError ? PluginStanding.Of(finding.Kind) : null;
            return (JsonNode)shown;
        })]),
    };
}
