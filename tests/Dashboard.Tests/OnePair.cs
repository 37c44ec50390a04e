namespace StorageOs.Dashboard.Tests;

/// <summary>One pair and one browser for all tests, which take turns with them.</summary>
[CollectionDefinition(Name)]
public sealed class OnePair : ICollectionFixture<WebPair>, ICollectionFixture<Browser>
{
    internal const string Name = "dashboard";
}
