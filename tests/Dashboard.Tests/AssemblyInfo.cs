[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

// Each of them has a pair and a browser, and looks at how fast the two are.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
