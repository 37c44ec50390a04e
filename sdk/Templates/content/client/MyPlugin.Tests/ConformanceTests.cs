using StorageOs.Plugin.Testing;

namespace MySpace.Tests;

/// <summary>What every client does.</summary>
public sealed class ConformanceTests : ClientKit<Plugin>;
