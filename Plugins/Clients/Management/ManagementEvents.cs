using StorageOs.Contracts.Runtime;
using StorageOs.Management.Web;

namespace StorageOs.Management;

/// <summary>The events of the HTTP API.</summary>
[EventCatalogue]
internal static class ManagementEvents
{
    public static readonly NodeEvent<Caller, string> Acted = new(
        EventNames.OperatorActed, EventSeverity.Notice, "{Caller} asked for {What}: done")
    {
        Cause = "an action over HTTP by who has an operator's token or the socket",
        Remedy = "none",
    };

    public static readonly NodeEvent<Caller, string, Refusal> Refused = new(
        EventNames.OperatorRefused, EventSeverity.Warning,
        "{Caller} asked for {What}: refused, {Refusal}")
    {
        Cause = "an action over HTTP that the node refuses or did not answer in time",
        Remedy = "do what the refusal says",
    };

    public static readonly NodeEvent<Caller, string> Denied = new(
        "operator-denied", EventSeverity.Warning, "{Caller} asked for {What} and may not")
    {
        Cause = "an action was asked for with a viewer's token",
        Remedy = "none; give the caller an operator's token when it should act",
    };

    public static readonly NodeEvent<string> Listens = new(
        "api-listens", EventSeverity.Information, "the API is at {Where}")
    {
        Cause = "the HTTP API and its page can be reached",
        Remedy = "none",
    };

    public static readonly NodeEvent<string, string> TokensUnread = new(
        "tokens-unread", EventSeverity.Error, "tokens: expected {Path}, found: {Failure}")
    {
        Cause = "the file of tokens is missing or cannot be read: nobody is let in by it",
        Remedy = "correct `tokens` of the plugin management, or the file's rights",
    };

    public static readonly NodeEvent<string, int> TokenRefused = new(
        "token-refused", EventSeverity.Warning,
        "tokens: expected ROLE NAME SHA256 in {Path}, line {Number}, found something"
        + " else; it lets nobody in")
    {
        Cause = "a line of the file of tokens is wrong",
        Remedy = "correct the line; it is read again by itself",
    };

    public static readonly NodeEvent<string, DateTime> CertificateRenewed = new(
        "certificate-renewed", EventSeverity.Notice,
        "the certificate in {Path} is used from now on, until {Ends:u}")
    {
        Cause = "the file of the certificate has changed, and the key is its own",
        Remedy = "none",
    };

    public static readonly NodeEvent<string, string> CertificateUnread = new(
        "certificate-unread", EventSeverity.Error,
        "expected a certificate in {Path} and its key, found: {Failure}; the one before is used")
    {
        Cause = "files of certificate or key changed and do not belong together, or cannot be read",
        Remedy = "put both in place; they are read again by themselves",
    };
}
