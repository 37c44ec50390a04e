using StorageOs.Plugin.Testing;

namespace Greeter.Tests;

/// <summary>What every client does.</summary>
public sealed class ConformanceTests : ClientKit<GreeterPlugin>;
