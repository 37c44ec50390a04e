using System.Diagnostics;

namespace StorageOs.Sdk.Tests;

/// <summary>What a build that a test starts is told.</summary>
internal static class BuildEnvironment
{
    /// <summary>Nothing of the build that runs the test, and to leave no process behind.</summary>
    internal static void Prepare(ProcessStartInfo start)
    {
        foreach (string name in start.Environment.Keys.ToArray())
        {
            if (name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)
                || name.StartsWith("VSTEST", StringComparison.Ordinal))
            {
                _ = start.Environment.Remove(name);
            }
        }

        // One that goes on after its end would keep the pipes open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
    }
}
