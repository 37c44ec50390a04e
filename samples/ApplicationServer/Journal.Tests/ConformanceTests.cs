using StorageOs.Plugin.Testing;

namespace ApplicationServer.Journal.Tests;

/// <summary>What every client does.</summary>
public sealed class ConformanceTests : ClientKit<JournalPlugin>;
