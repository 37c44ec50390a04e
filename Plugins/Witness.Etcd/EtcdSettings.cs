using System.Globalization;
using System.Net.Security;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Witness.Etcd;

/// <summary>A user of etcd. Never shown: neither has a text form that tells the password.</summary>
internal sealed class EtcdUser(string name, string password)
{
    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Its password.</summary>
    public string Password { get; } = password;
}

/// <summary>Where the register is and how it is reached, checked.</summary>
/// <param name="Endpoints">The members, in the order in which they are asked.</param>
/// <param name="Prefix">What the pair's keys begin with, without a final slash.</param>
/// <param name="Deadline">How long a read or a swap may take.</param>
/// <param name="Tls">How TLS is spoken; null without it.</param>
/// <param name="User">Who logs in; null when nobody does.</param>
internal sealed record EtcdSettings(
    IReadOnlyList<Uri> Endpoints,
    string Prefix,
    TimeSpan Deadline,
    SslClientAuthenticationOptions? Tls = null,
    EtcdUser? User = null)
{
    private const int EndpointsMax = 9;
    private const int PrefixCharsMax = 200;
    private const int DeadlineMsMin = 100;
    private const int DeadlineMsMax = 10_000;
    private const int DeadlineMsDefault = 2000;
    private const string Subject = "witness-etcd";

    private static readonly string[] Keys =
    [
        "endpoints", "prefix", "deadlineMs", "ca", "clientCertificate", "clientKey", "user",
        "passwordFile",
    ];

    /// <summary>Reads and checks them, and the files that they name.</summary>
    /// <exception cref="RefusedException">One of them is wrong.</exception>
    public static EtcdSettings Read(IConfiguration configuration)
    {
        foreach (IConfigurationSection child in configuration.GetChildren())
        {
            if (!Keys.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                throw Refused("settings", string.Join(", ", Keys), child.Key);
            }
        }

        Uri[] endpoints = ReadEndpoints(configuration.GetSection("endpoints"));
        return new EtcdSettings(
            endpoints,
            ReadPrefix(configuration["prefix"]),
            ReadDeadline(configuration["deadlineMs"]),
            ReadTls(configuration, endpoints[0].Scheme == Uri.UriSchemeHttps),
            ReadUser(configuration["user"], configuration["passwordFile"]));
    }

    /// <summary>A refusal of a setting.</summary>
    public static RefusedException Refused(
        string key, string expected, string actual, Exception? inner = null) => new(
        new Refusal(
            $"{Subject}: {key}", expected, actual,
            $"correct it in plugins:settings:{Subject}"), inner);

    private static Uri[] ReadEndpoints(IConfigurationSection section)
    {
        const string Expected = "1 to 9 different addresses of etcd's members such as"
            + " http://127.0.0.1:2379, all http or all https";
        string[] texts = section.Value is { } one
            ? one.Split(',', StringSplitOptions.TrimEntries)
            : [.. section.GetChildren().Select(static child => child.Value ?? "")];
        if (texts.Length is 0 or > EndpointsMax)
        {
            throw Refused("endpoints", Expected, $"{texts.Length}");
        }

        List<Uri> found = [];
        foreach (string text in texts)
        {
            // Neither user nor path: a password there would be shown wherever the address is.
            if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? uri)
                || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps)
                || uri.UserInfo.Length > 0 || uri.PathAndQuery != "/" || uri.Fragment.Length > 0)
            {
                bool secret = text.Contains('@', StringComparison.Ordinal);
                throw Refused("endpoints", Expected, secret ? "one with a user" : $"\"{text}\"");
            }

            if (found.Contains(uri) || (found.Count > 0 && found[0].Scheme != uri.Scheme))
            {
                throw Refused("endpoints", Expected, $"\"{text}\" beside {found[0]}");
            }

            found.Add(uri);
        }

        return [.. found];
    }

    private static string ReadPrefix(string? text)
    {
        string prefix = (text ?? "").TrimEnd('/');
        return prefix.Length is > 0 and <= PrefixCharsMax
            && prefix.All(static letter => letter is > ' ' and <= '~')
            ? prefix
            : throw Refused(
                "prefix",
                $"what the keys of this pair, and of no other, begin with: 1 to {PrefixCharsMax}"
                + " printable characters, the same on both nodes",
                text is null ? "nothing" : $"\"{text}\"");
    }

    private static TimeSpan ReadDeadline(string? text) =>
        text is null ? TimeSpan.FromMilliseconds(DeadlineMsDefault)
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value is >= DeadlineMsMin and <= DeadlineMsMax
            ? TimeSpan.FromMilliseconds(value)
            : throw Refused(
                "deadlineMs", $"{DeadlineMsMin} to {DeadlineMsMax} milliseconds", $"\"{text}\"");

    private static SslClientAuthenticationOptions? ReadTls(IConfiguration configuration, bool tls)
    {
        string? authority = configuration["ca"];
        string? certificate = configuration["clientCertificate"];
        string? key = configuration["clientKey"];
        if (!tls)
        {
            string? extra = authority is not null ? "ca"
                : certificate is not null ? "clientCertificate"
                : key is not null ? "clientKey" : null;
            return extra is null ? null
                : throw Refused(extra, "nothing without TLS", "endpoints of http, not https");
        }

        if ((certificate is null) != (key is null))
        {
            throw Refused(
                certificate is null ? "clientCertificate" : "clientKey",
                "both of clientCertificate and clientKey, or none", "one");
        }

        return TlsFiles.Options(authority, certificate, key);
    }

    private static EtcdUser? ReadUser(string? name, string? passwordFile)
    {
        if (string.IsNullOrEmpty(name) && passwordFile is null)
        {
            return null;
        }

        if (string.IsNullOrEmpty(name) || passwordFile is null)
        {
            throw Refused(
                passwordFile is null ? "passwordFile" : "user",
                "both of user and passwordFile, or none", "one");
        }

        string password = SecretFile.Text("passwordFile", passwordFile).TrimEnd('\r', '\n');
        return password.Length > 0
            ? new EtcdUser(name, password)
            : throw Refused("passwordFile", "a password", $"an empty file, {passwordFile}");
    }
}
