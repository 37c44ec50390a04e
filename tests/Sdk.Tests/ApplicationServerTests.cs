using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// The sample of an application server that is a storage node's partner, built from packages alone
/// and run as real processes, which are killed: nothing that it acknowledged is lost.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class ApplicationServerTests(Workshop workshop)
{
    [Fact]
    public void Its_client_does_what_every_client_does_and_loses_nothing_in_virtual_time()
    {
        string said = workshop.Dotnet(
            "test", Path.Combine(Sample.Build(workshop), "Journal.Tests"), "--no-build", "--nologo");
        Assert.Contains("Passed!", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("loopback")]
    [InlineData("tcp")]
    public async Task Nothing_acknowledged_is_lost_whichever_side_is_killed(string transport)
    {
        using SampleRun run = new(Sample.Build(workshop), transport);

        // Nobody is there to hold a record: nothing is acknowledged.
        run.StartServer();
        await run.UntilAsync(async () => await run.HealthAsync() is not null, "the server answers");
        Assert.Equal(503, (await run.PostAsync("too early")).Status);
        Assert.Empty(await run.RecordsAsync());

        // The partner comes: acknowledged is what both hold.
        run.StartStorage();
        await run.AcknowledgesAsync();
        List<string> acknowledged = [];
        await run.WriteAsync(acknowledged, 20);
        Assert.Equal(acknowledged, (await run.RecordsAsync()).Select(record => record.Text));
        Assert.All(await run.RecordsAsync(), record => Assert.Equal("both", record.Held));

        // The application server dies in the middle of its work, and its file with it.
        await run.WriteUntilKilledAsync(acknowledged, run.KillServer);
        run.DeleteTheServersFile();
        run.StartServer();
        await run.AcknowledgesAsync();
        run.ExpectHeld(acknowledged, await run.RecordsAsync());

        // The storage node dies in the middle of it; without it nothing is acknowledged.
        await run.WriteUntilKilledAsync(acknowledged, run.KillStorage);
        await run.UntilAsync(
            async () => $"{(await run.HealthAsync())!["records"]!["state"]}" == "Apart",
            "the server hears of the loss");
        Assert.Equal(503, (await run.PostAsync("nobody holds it, too")).Status);
        run.StartStorage();
        await run.AcknowledgesAsync();
        await run.WriteAsync(acknowledged, 5);

        // Both have all of it: what the storage node kept makes a new file of the server's.
        run.KillServer();
        run.DeleteTheServersFile();
        run.StartServer();
        await run.AcknowledgesAsync();
        run.ExpectHeld(acknowledged, await run.RecordsAsync());
    }

    [Fact]
    public async Task Its_client_keeps_what_it_holds_when_the_process_of_its_own_is_killed()
    {
        using SampleRun run = new(Sample.Build(workshop), "loopback", isolated: true);
        run.StartServer();
        run.StartStorage();
        await run.AcknowledgesAsync();
        List<string> acknowledged = [];
        for (int round = 0; round < 2; round++)
        {
            await run.WriteUntilKilledAsync(acknowledged, run.KillPlugin);
            await run.SeesTheLossAsync();
            await run.AcknowledgesAsync();
            await run.WriteAsync(acknowledged, 5);
        }

        // What it held is all that there is.
        run.KillServer();
        run.DeleteTheServersFile();
        run.StartServer();
        await run.AcknowledgesAsync();
        run.ExpectHeld(acknowledged, await run.RecordsAsync());
    }

    [Fact]
    public async Task Alone_it_answers_and_its_partner_catches_up()
    {
        using SampleRun run = new(Sample.Build(workshop), "loopback")
        {
            WithoutPartner = "alone",
        };

        // An empty log is not taken for the truth.
        run.StartServer();
        await run.UntilAsync(async () => await run.HealthAsync() is not null, "the server answers");
        Assert.Equal(503, (await run.PostAsync("too early")).Status);
        run.StartStorage();
        await run.AcknowledgesAsync();
        List<string> acknowledged = [];
        await run.WriteAsync(acknowledged, 3);

        run.KillStorage();
        await run.UntilAsync(
            async () => $"{(await run.HealthAsync())!["records"]!["state"]}" == "Apart",
            "the server hears of the loss");
        (int status, JsonObject answer) = await run.PostAsync("alone");
        Assert.Equal((201, "here"), (status, $"{answer["held"]}"));
        acknowledged.Add("alone");
        Assert.Equal("here", (await run.RecordsAsync())[^1].Held);

        run.StartStorage();
        await run.UntilAsync(
            async () => (await run.RecordsAsync()).All(record => record.Held == "both"),
            "the partner has caught up");
        run.KillServer();
        run.DeleteTheServersFile();
        run.StartServer();
        await run.AcknowledgesAsync();
        Assert.Equal(acknowledged, (await run.RecordsAsync()).Select(record => record.Text));
    }
}
