[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Guests are slow enough one at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
