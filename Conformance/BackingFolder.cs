namespace StorageOs.Conformance;

/// <summary>A folder for backing files that goes with the case.</summary>
internal sealed class BackingFolder : IDisposable
{
    private readonly DirectoryInfo folder =
        Directory.CreateTempSubdirectory("storageos-conformance-");

    /// <summary>Files in it.</summary>
    public int Count => folder.GetFiles().Length;

    /// <summary>Path of a file in it.</summary>
    public string File(string name) => Path.Combine(folder.FullName, name);

    /// <inheritdoc/>
    public void Dispose() => folder.Delete(recursive: true);
}
