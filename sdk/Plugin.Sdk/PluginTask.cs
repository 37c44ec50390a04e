using Microsoft.Build.Framework;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Plugin.Sdk;

/// <summary>
/// A step of a plugin's build. Says what is wrong as MSBuild wants it said: with the file and,
/// where known, the line, so that an editor can go there.
/// </summary>
public abstract class PluginTask : ITask
{
    private bool failed;

    /// <inheritdoc/>
    public IBuildEngine BuildEngine { get; set; } = null!;

    /// <inheritdoc/>
    public ITaskHost? HostObject { get; set; }

    /// <inheritdoc/>
    public bool Execute()
    {
        failed = false;
        try
        {
            Run();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException
            or BadImageFormatException)
        {
            Refuse("SOS004", "", 0, failure.Message);
        }
        catch (RefusedException refused)
        {
            Refuse("SOS002", "", 0, $"{refused.Refusal}");
        }

        return !failed;
    }

    /// <summary>Does the step.</summary>
    protected abstract void Run();

    /// <summary>Fails the build.</summary>
    /// <param name="code">What kind of error it is, for looking it up.</param>
    /// <param name="file">The file that is wrong.</param>
    /// <param name="line">Its line, from 1; 0 when there is none to name.</param>
    /// <param name="message">What was expected and what was found.</param>
    protected void Refuse(string code, string file, int line, string message)
    {
        failed = true;
        BuildEngine.LogErrorEvent(new BuildErrorEventArgs(
            "", code, file, line, 0, 0, 0, message, "", GetType().Name));
    }
}
