using StorageOs.Plugin.Testing;

namespace Sample.KeyValue.Tests;

/// <summary>What every client does.</summary>
public sealed class ConformanceTests : ClientKit<KeyValuePlugin>;
