using System.Net;
using Microsoft.AspNetCore.Http;

namespace StorageOs.Management.Web;

/// <summary>What somebody may do.</summary>
internal enum Role
{
    /// <summary>Looks.</summary>
    Viewer,

    /// <summary>Looks and acts.</summary>
    Operator,
}

/// <summary>Who asks.</summary>
/// <param name="Name">As the file of tokens has it; <c>socket</c> on the Unix socket.</param>
/// <param name="Role">What they may do.</param>
/// <param name="Address">Where from; null on the Unix socket.</param>
/// <param name="Token">By what; null likewise.</param>
internal sealed record Caller(string Name, Role Role, IPAddress? Address, string? Token)
{
    private static readonly object Key = new();

    /// <summary>Whoever a request is of, once it has been let in.</summary>
    public static Caller Of(HttpContext context) => (Caller)context.Items[Key]!;

    /// <summary>Lets a request in.</summary>
    public void Enter(HttpContext context) => context.Items[Key] = this;

    /// <inheritdoc/>
    public override string ToString() => Address is null ? Name : $"{Name} at {Address}";
}
