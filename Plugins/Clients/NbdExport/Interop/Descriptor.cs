using Microsoft.Win32.SafeHandles;

namespace StorageOs.NbdExport.Interop;

/// <summary>A file descriptor of our own; closed once, when disposed.</summary>
internal sealed class Descriptor : SafeHandleMinusOneIsInvalid
{
    /// <summary>Takes over <paramref name="descriptor"/>; -1 makes an invalid one.</summary>
    public Descriptor(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>The number, for putting into a message; valid until disposed.</summary>
    public int Number => (int)handle;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
