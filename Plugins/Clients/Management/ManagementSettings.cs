using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Management.Web;

namespace StorageOs.Management;

/// <summary>Where the API is served and who may ask, checked.</summary>
/// <param name="Socket">Full path of the Unix socket; null for none.</param>
/// <param name="Listen">Address on TCP; null for none.</param>
/// <param name="Url">What browsers reach it by; null without TCP.</param>
/// <param name="Tokens">Full path of the file of tokens; given with TCP.</param>
/// <param name="Certificate">For TLS; null on a loopback address without it.</param>
/// <param name="Otlp">Where metrics are sent to; null for nowhere.</param>
/// <param name="OtlpTraces">Where traced writes are sent to; null for nowhere.</param>
/// <param name="RequestsPerSecond">Of each address that asks.</param>
internal sealed record ManagementSettings(
    string? Socket, IPEndPoint? Listen, string? Url, string? Tokens,
    ServerCertificate? Certificate, Uri? Otlp, Uri? OtlpTraces, int RequestsPerSecond)
{
    private const string MetricsPath = "/v1/metrics", TracesPath = "/v1/traces";
    private const int RequestsPerSecondUsual = 50;
    private const int RequestsPerSecondMax = 1000;
    private const int SocketPathBytesMax = 107; // sun_path of unix(7), with its zero.

    /// <summary>Reads them, and the files that they name.</summary>
    /// <param name="configuration">The plugin's section.</param>
    /// <param name="directory">Where relative paths start.</param>
    /// <exception cref="RefusedException">One of them is wrong.</exception>
    public static ManagementSettings Read(IConfiguration configuration, string directory)
    {
        string? PathOf(string key) => configuration[key] is { Length: > 0 } path
            ? Path.GetFullPath(path, directory) : null;
        string? socket = PathOf("socket");
        IPEndPoint? listen = ReadListen(configuration["listen"]);
        if (socket is null && listen is null)
        {
            throw Refused("settings", "\"socket\" or \"listen\"", "neither");
        }

        if (socket is not null && Encoding.UTF8.GetByteCount(socket) > SocketPathBytesMax)
        {
            throw Refused("socket", $"a path of at most {SocketPathBytesMax} bytes", socket);
        }

        string? keyFile = PathOf("certificateKey");
        ServerCertificate? certificate =
            PathOf("certificate") is { } file ? new(file, keyFile) : null;
        string? tokens = PathOf("tokens");
        if (listen is not null)
        {
            CheckListen(listen, certificate, tokens);
        }

        return new(
            socket, listen, listen is null ? null : ReadUrl(configuration["url"], listen,
                certificate is not null), tokens, certificate,
            ReadOtlp("otlp", configuration["otlp"]),
            ReadOtlp("otlpTraces", configuration["otlpTraces"])
                ?? TracesOf(configuration["otlp"]),
            ReadRate(configuration["requestsPerSecond"]));
    }

    private static void CheckListen(
        IPEndPoint listen, ServerCertificate? certificate, string? tokens)
    {
        if (tokens is null)
        {
            throw Refused("tokens", "a file of tokens, for \"listen\" is given", "none");
        }

        if (certificate is null && !IPAddress.IsLoopback(listen.Address))
        {
            throw Refused(
                "certificate", "one, for all but loopback addresses speak TLS alone", "none");
        }
    }

    private static IPEndPoint? ReadListen(string? text)
    {
        if (text is null)
        {
            return null;
        }

        return IPEndPoint.TryParse(text, out IPEndPoint? point) && point.Port > 0
            ? point
            : throw Refused("listen", "an address and a port, such as 127.0.0.1:8441", text);
    }

    private static string ReadUrl(string? text, IPEndPoint listen, bool hasTls)
    {
        if (text is null && (listen.Address.Equals(IPAddress.Any)
            || listen.Address.Equals(IPAddress.IPv6Any)))
        {
            throw Refused(
                "url", "what browsers reach this node by, for it listens at every address", "none");
        }

        if (text is null)
        {
            return $"{(hasTls ? "https" : "http")}://{listen}";
        }

        // An origin and no more: pages compare it with theirs, and append paths to it.
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? url)
            && url.Scheme is "http" or "https" && url.PathAndQuery == "/"
            ? url.GetLeftPart(UriPartial.Authority)
            : throw Refused("url", "http or https, a name and a port alone", text);
    }

    private static int ReadRate(string? text) => text is null ? RequestsPerSecondUsual
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int rate)
            && rate is >= 1 and <= RequestsPerSecondMax
            ? rate
            : throw Refused(
                "requestsPerSecond", $"a whole number from 1 to {RequestsPerSecondMax}", text);

    private static Uri? ReadOtlp(string key, string? text) => text is null ? null
        : Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : throw Refused(key, "the address of a collector over HTTP", text);

    /// <summary>Who takes metrics where the standard says takes traces beside it.</summary>
    private static Uri? TracesOf(string? metrics) =>
        metrics?.EndsWith(MetricsPath, StringComparison.Ordinal) == true
            ? new Uri(metrics[..^MetricsPath.Length] + TracesPath) : null;

    private static RefusedException Refused(
        string key, string expected, string actual) => new(
        new Refusal(
            $"management: {key}", expected, actual,
            "correct it in plugins:settings:management"));
}
