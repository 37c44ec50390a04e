using System.Net;
using System.Net.Sockets;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary>Something about a new pair that nobody but its operator knows.</summary>
/// <param name="Name">Of its option, without dashes.</param>
/// <param name="Asks">What is asked, in a few words.</param>
/// <param name="Why">What it is for, so that somebody new can answer.</param>
/// <param name="Usual">The answer of most; null when there is none.</param>
/// <param name="Expected">What a good answer is, when one was not.</param>
/// <param name="IsGood">Whether an answer is good.</param>
internal sealed record Question(
    string Name, string Asks, string Why, string? Usual, string Expected,
    Func<string, bool> IsGood)
{
    private const string Any = "any";

    /// <summary>All of them, in the order in which they are asked.</summary>
    internal static IReadOnlyList<Question> All { get; } =
    [
        OfName("a", "first"), OfName("b", "second"),
        OfAddress("a-address", "first"), OfAddress("b-address", "second"),
        new(
            "transport", "transport",
            "How they reach each other: tcp works on any network; verbs is RDMA, for cards (or soft"
                + " RoCE) that have it.",
            HasRdma() ? "verbs" : "tcp", "tcp or verbs", static text => text is "tcp" or "verbs"),
        new(
            "witness", "witness",
            "The third place that decides who goes on when they lose each other: addresses of etcd"
                + " with commas between, a folder that a third machine exports to both, or none:"
                + " then a node that loses its partner waits for it rather than take over.",
            "none", "none, a full path, or addresses such as http://10.0.0.5:2379",
            static text => text == "none" || text.StartsWith('/') || IsEtcd(text)),
        new(
            "size", "size of each volume",
            "Each node is home to one volume; both hold a copy of each.", "10G",
            "a size such as 512M or 10G", static text => ByteSize.TryParse(text, out _)),
        new(
            "interface", "interface of service addresses",
            "Clients reach each volume at an address that moves with it, between interfaces of this"
                + " name; any has each node listen at all of its addresses instead.",
            Any, "the name of an interface, or any", static text => text.Length is > 0 and < 16),
        OfService("a-service", "first"), OfService("b-service", "second"),
    ];

    /// <summary>Whether it needs an answer, given those before it.</summary>
    internal bool Applies(IReadOnlyDictionary<string, string> answers) =>
        !Name.EndsWith("-service", StringComparison.Ordinal) || answers["interface"] != Any;

    private static bool IsEtcd(string text) => text.Split(',').All(static one =>
        Uri.TryCreate(one, UriKind.Absolute, out Uri? address)
        && address.Scheme is "http" or "https");

    private static bool HasRdma()
    {
        const string Devices = "/sys/class/infiniband";
        return Directory.Exists(Devices) && Directory.EnumerateFileSystemEntries(Devices).Any();
    }

    private static Question OfName(string name, string which) => new(
        name, $"name of the {which} node", $"What status and logs call the {which} machine.", name,
        "letters, digits, dots, dashes and underscores",
        static text => text.Length is > 0 and <= Limits.NameCharsMax && text is not ("." or "..")
            && text.All(static letter => char.IsAsciiLetterOrDigit(letter)
                || "._-".Contains(letter, StringComparison.Ordinal)));

    private static Question OfAddress(string name, string which) => new(
        name, $"address of the {which} node",
        $"Where the other node reaches the {which}, on a network of their own if there is one.",
        null, "an IP address", IsAddress);

    private static Question OfService(string name, string which) => new(
        name, $"service address of the {which} volume",
        "A free IPv4 address of the clients' network.", null, "an IPv4 address",
        static text => IsAddress(text) && text.Contains('.'));

    // 10.1 is an address to some, and not what anybody means.
    private static bool IsAddress(string text) =>
        IPAddress.TryParse(text, out IPAddress? address)
        && (address.AddressFamily != AddressFamily.InterNetwork || $"{address}" == text);
}
