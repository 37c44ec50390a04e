namespace StorageOs.Sdk.Tests;

/// <summary>A sample, copied into the workshop and built there once.</summary>
internal static class Sample
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, string> Built = [];

    /// <summary>Builds it unless that is done; the folder it is in.</summary>
    internal static string Build(Workshop workshop, string name = "ApplicationServer")
    {
        lock (Gate)
        {
            return Built.TryGetValue(name, out string? folder)
                ? folder : Built[name] = BuildOnce(workshop, name);
        }
    }

    private static string BuildOnce(Workshop workshop, string name)
    {
        string source = Path.Combine(Workshop.Root, "samples", name);
        string folder = Path.Combine(workshop.Folder, name);
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(source, file);
            string[] parts = path.Split('/');
            if (!parts.Contains("bin") && !parts.Contains("obj") && parts[0] != "run"
                && path != "NuGet.config") // The workshop has one of its own.
            {
                string target = Path.Combine(folder, path);
                _ = Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }

        _ = workshop.Dotnet(
            "build", folder, "--nologo", "-v", "quiet", $"-p:StorageOsVersion={workshop.Version}");
        return folder;
    }
}
