using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("StorageOs.Fuzz")]
[assembly: InternalsVisibleTo("StorageOs.Witness.Tests")]
