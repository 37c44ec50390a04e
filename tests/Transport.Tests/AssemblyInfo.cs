using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]

// Times, descriptors and mappings are counted; nothing else may run meanwhile.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
