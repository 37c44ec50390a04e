namespace StorageOs;

/// <summary>
/// Stands in for System.Threading.Lock, which Coyote 1.7 does not know: found before that one by
/// its name, it is an object like any other, and a lock statement on it is a Monitor's.
/// </summary>
internal sealed class Lock;
