using StorageOs.Contracts.Services;
using StorageOs.Plugin.Testing;

namespace MySpace.Tests;

/// <summary>What every witness does.</summary>
public sealed class ConformanceTests : WitnessKit
{
    private readonly DirectoryInfo register = Directory.CreateTempSubdirectory("register-");

    protected override IWitness Connect() => new DirectoryWitness(register.FullName);

    protected override Task PutAsync(byte[] bytes) => File.WriteAllBytesAsync(
        Path.Combine(register.FullName, $"{WitnessEntries.Group}.json"), bytes);

    protected override void Dispose(bool disposing) => register.Delete(recursive: true);
}
