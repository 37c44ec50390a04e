using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("StorageOs.Ownership.Tests")]
