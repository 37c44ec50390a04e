using System.Globalization;
using System.Net;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Where a node is on the fabric: the IP address of an RDMA device's interface, or a GID, which is
/// written and means the same; and a number that tells nodes behind one address apart, so that a
/// pair can run on a single device.
/// </summary>
internal readonly record struct HardwareAddress(IPAddress Address, ushort Node)
{
    private const char NodeMark = '#';

    /// <summary>Reads an address as people write it.</summary>
    /// <exception cref="RefusedException">It is anything else.</exception>
    public static HardwareAddress Parse(string subject, string? text)
    {
        string host = text ?? "";
        ushort node = 0;
        bool good = true;
        int mark = host.IndexOf(NodeMark, StringComparison.Ordinal);
        if (mark >= 0)
        {
            good = ushort.TryParse(
                host.AsSpan(mark + 1), NumberStyles.None, CultureInfo.InvariantCulture, out node);
            host = host[..mark];
        }

        // Three dots, for "1" would be taken for 0.0.0.1.
        good &= host.Contains(':', StringComparison.Ordinal) || host.Count(c => c == '.') == 3;
        if (good && IPAddress.TryParse(host, out IPAddress? address))
        {
            return new HardwareAddress(
                address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, node);
        }

        throw new RefusedException(new Refusal(
            subject,
            "an IP address or GID of an RDMA device, such as 10.9.0.1 or fe80::5054:ff:fe12:3456",
            string.IsNullOrEmpty(text) ? "nothing" : $"'{text}'",
            "set the address in the configuration's transport section"));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Node == 0 ? $"{Address}" : $"{Address}{NodeMark}{Node}";
}
