// The other process of the tests with real processes. Arguments: transport, own address, own port,
// partner's address, partner's port, and for Loopback the fabric folder. Listens. Then, for each line "PORT KEY ADDRESS LENGTH" it is given,
// fills that memory again and again, the n-th time with bytes (n mod 4) + 1, until a write fails,
// and answers "END n STATUS". Every round begins with its own "PORT ..." line.
using System.Globalization;
using System.Runtime.Versioning;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Loopback;
using StorageOs.Transport.Tcp;

[assembly: SupportedOSPlatform("linux")]

Dictionary<string, string> options = [];
if (args.Length > 5)
{
    options["fabric"] = args[5];
}

ITransportProvider provider = args[0] == "tcp" ? new TcpProvider() : new LoopbackProvider();
using ITransport transport = provider.Open(new TransportSettings(args[1], options), static () => { });
using IRegion page = transport.Map(new RegionNeed("page", Size.Page, RemoteAccess.Read)
{
    PresetAddress = 0x6000_0000_0000,
});
using IRegion inbox = transport.Map(
    new RegionNeed("inbox", Size.Page, RemoteAccess.Read | RemoteAccess.Write));
page.Bytes[0] = 77;
using IWellKnownPort wellKnown = transport.OpenWellKnown(new WellKnownNeed(
    (uint)Number(args[2]), args[3], (uint)Number(args[4]), 0x5000_0000_0000, Connects: false, page,
    inbox));
Console.WriteLine("LISTENING");
SpinWait spin = default;
while (wellKnown.Poll() == WellKnownState.Connecting)
{
    spin.SpinOnce();
}

const int Bytes = 32 * Size.MiB;
IRegion[] sources = new IRegion[4];
for (int i = 0; i < sources.Length; i++)
{
    sources[i] = transport.Map(new RegionNeed("source", Bytes, RemoteAccess.Read));
    sources[i].Bytes.Fill((byte)(i + 1));
}

while (true)
{
    IPreparedPort prepared = transport.Prepare(new PortNeed("bulk", 4));
    Console.WriteLine("PORT " + Convert.ToHexString(prepared.Address.Span));
    string[]? words = Console.ReadLine()?.Split(' ');
    if (words is not { Length: 4 })
    {
        return;
    }

    using IPort port = prepared.Connect(Convert.FromHexString(words[0]));
    using IRemoteMemory target = transport.Import(new RemoteRegion(
        Number(words[1]), Number(words[2]), Number(words[3]), RemoteAccess.Write));
    Completion[] one = new Completion[1];
    ulong completed = 0;
    do
    {
        port.TryPostWrite(1, sources[(completed + 1) % 4], 0, target, 0, Bytes);
        while (port.Poll(one) == 0)
        {
            spin.SpinOnce();
        }

        completed += one[0].Status == CompletionStatus.Success ? 1u : 0u;
    }
    while (one[0].Status == CompletionStatus.Success);
    Console.WriteLine($"END {completed} {one[0].Status}");
}

static ulong Number(string text) => ulong.Parse(text, CultureInfo.InvariantCulture);
