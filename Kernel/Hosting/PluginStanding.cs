namespace StorageOs.Kernel.Hosting;

/// <summary>
/// How a plugin stands, in the words that operators know from other systems of plugins. Pure.
/// </summary>
internal static class PluginStanding
{
    internal const string Active = "active";
    internal const string Installed = "installed";
    internal const string Superseded = "superseded";
    internal const string RestartPending = "restart pending";
    internal const string Failed = "failed";
    internal const string Starting = "starting";

    /// <summary>Of a module of a running node.</summary>
    internal static string Of(ModuleState state, FindingKind finding) => state switch
    {
        ModuleState.Running => Active,
        ModuleState.Refused => Of(finding),
        ModuleState.NotChosen when finding != FindingKind.Warning => Of(finding),
        ModuleState.NotChosen => "not chosen",
        ModuleState.Loading or ModuleState.Starting => Starting,
        ModuleState.Failed => Failed,
        _ => "stopped",
    };

    /// <summary>Of what is not loaded because of a finding.</summary>
    internal static string Of(FindingKind finding) => finding switch
    {
        FindingKind.NotSupported => "not supported",
        FindingKind.Modified => "modified",
        FindingKind.Unsigned => "unsigned",
        FindingKind.Malfunctioned => "malfunctioned",
        FindingKind.Disabled => "disabled",
        _ => "refused",
    };
}
