namespace StorageOs.Contracts.Runtime;

/// <summary>Sizes in bytes.</summary>
public static class Size
{
    /// <summary>1,024 bytes.</summary>
    public const int KiB = 1024;

    /// <summary>1,048,576 bytes.</summary>
    public const int MiB = 1024 * KiB;

    /// <summary>1,073,741,824 bytes.</summary>
    public const long GiB = 1024L * MiB;

    /// <summary>The page of memory that mappings and registrations are aligned to.</summary>
    public const int Page = 4 * KiB;
}
