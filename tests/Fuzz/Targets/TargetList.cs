using StorageOs.Contracts.Runtime;

namespace StorageOs.Fuzz.Targets;

/// <summary>Every target there is.</summary>
internal static class TargetList
{
    /// <summary>Those of the product.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new StatusPageTarget(), new OutboxTarget(), new PeerInfoTarget(), new MessageTarget(),
        new SessionTarget(), new LogHeaderTarget(), new LogScanTarget(), new PartnerPageTarget(),
        new LogFactsTarget(), new ChangeRecordTarget(), new ViewPageTarget(),
        new MemoryFileTarget(), new RecordFileTarget(), new TermFileTarget(),
        new RegisterTextTarget(), new NbdTarget(), new NbdConnectionTarget(),
        new NbdLinkTarget(), new TcpFramesTarget(), new TcpServerTarget(), new GreetingTarget(),
        new AddressTarget(), new ManifestTarget(), new ConfigurationTarget(),
        new ManagementTarget(), new BundleTarget(), new SignatureTarget(), new StoreStateTarget(),
    ];

    /// <summary>The target of that name; the planted one, too.</summary>
    /// <exception cref="RefusedException">There is none.</exception>
    public static Target Of(string name) =>
        All.Append(new PlantedTarget()).FirstOrDefault(target => target.Name == name)
            ?? throw new RefusedException(new Refusal(
                "--target", "all, " + string.Join(", ", All.Select(target => target.Name)), name));
}
