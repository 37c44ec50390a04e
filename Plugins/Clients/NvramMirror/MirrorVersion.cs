namespace StorageOs.NvramMirror;

/// <summary>Versions of what two logs say to each other.</summary>
internal enum MirrorVersion : ushort
{
    /// <summary>Records, words and a page of 64 bytes for each group.</summary>
    V1 = 1,

    /// <summary>
    /// Comparisons after a copy; the page has 256 bytes and tells what they found.
    /// </summary>
    V2 = 2,

    /// <summary>The page tells of the disk, and records ask for changes of its own.</summary>
    V3 = 3,
}
