using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("StorageOs.Fuzz")]
[assembly: InternalsVisibleTo("StorageOs.Ownership.Tests")]
[assembly: InternalsVisibleTo("StorageOs.Storage.Tests")]
[assembly: InternalsVisibleTo("StorageOs.Simulator")]
[assembly: InternalsVisibleTo("StorageOs.Simulation.Tests")]
