using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("StorageOs.Witness.Tests")]
