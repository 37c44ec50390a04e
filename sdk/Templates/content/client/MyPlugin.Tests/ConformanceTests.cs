using StorageOs.Plugin.Testing;

namespace MyPlugin.Tests;

/// <summary>What every client does.</summary>
public sealed class ConformanceTests : ClientKit<Plugin>;
