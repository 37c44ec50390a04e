using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

// Deadlines are kept here, and clusters elect leaders; nothing else may run meanwhile.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
