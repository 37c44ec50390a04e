using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Sample.ObjectGateway.Core;

namespace Sample.ObjectGateway.Tests;

/// <summary>What a client sees, over HTTP.</summary>
public sealed class GatewayTests : IDisposable
{
    private readonly TestPair pair = new();

    public void Dispose()
    {
        pair.Pair.Check();
        pair.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(Layout.ChunkBytes)]
    [InlineData((2 * Layout.ChunkBytes) + 77)]
    public void What_is_put_is_what_is_got(int size)
    {
        byte[] body = RandomNumberGenerator.GetBytes(size);
        Assert.Equal(HttpStatusCode.Created, pair.Put("/b/some/key", body).StatusCode);
        HttpResponseMessage again = pair.Put("/b/some/key", body);
        string tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(body))}\"";
        Assert.Equal(HttpStatusCode.NoContent, again.StatusCode);
        Assert.Equal(tag, again.Headers.ETag!.Tag);
        foreach (HttpMethod method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            HttpResponseMessage got = pair.Send(pair.A, method, "/b/some/key");
            Assert.Equal(HttpStatusCode.OK, got.StatusCode);
            Assert.Equal(size, got.Content.Headers.ContentLength);
            Assert.Equal(tag, got.Headers.ETag!.Tag);
            Assert.True(
                TestPair.Body(got).AsSpan().SequenceEqual(method == HttpMethod.Get ? body : []));
        }

        Assert.Equal(
            HttpStatusCode.NoContent,
            pair.Send(pair.A, HttpMethod.Delete, "/b/some/key").StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, pair.Get("/b/some/key").StatusCode);
        Assert.Equal(
            HttpStatusCode.NotFound,
            pair.Send(pair.A, HttpMethod.Delete, "/b/some/key").StatusCode);
    }

    [Theory]
    [InlineData("bytes=0-0", 0, 1)]
    [InlineData("bytes=262140-262150", 262140, 11)]
    [InlineData("bytes=299999-", 299999, 1)]
    [InlineData("bytes=-5", 299995, 5)]
    [InlineData("bytes=-999999", 0, 300000)]
    [InlineData("bytes=100-999999", 100, 299900)]
    public void A_range_is_got_alone(string range, int from, int count)
    {
        byte[] body = RandomNumberGenerator.GetBytes(300_000);
        _ = pair.Put("/b/k", body);
        HttpResponseMessage got = pair.Send(
            pair.A, HttpMethod.Get, "/b/k", null, ("Range", range));
        Assert.Equal(HttpStatusCode.PartialContent, got.StatusCode);
        Assert.Equal(
            $"bytes {from}-{from + count - 1}/300000", $"{got.Content.Headers.ContentRange}");
        Assert.True(TestPair.Body(got).AsSpan().SequenceEqual(body.AsSpan(from, count)));
    }

    [Fact]
    public void A_range_that_is_not_there_is_refused_and_one_of_another_object_is_none()
    {
        _ = pair.Put("/b/k", new byte[10]);
        HttpResponseMessage none = pair.Send(
            pair.A, HttpMethod.Get, "/b/k", null, ("Range", "bytes=10-"));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, none.StatusCode);
        Assert.Equal("bytes */10", $"{none.Content.Headers.ContentRange}");
        HttpResponseMessage whole = pair.Send(
            pair.A, HttpMethod.Get, "/b/k", null, ("Range", "bytes=1-2"),
            ("If-Range", "\"another\""));
        Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
    }

    [Fact]
    public void Conditions_make_a_put_a_swap()
    {
        HttpResponseMessage Put(byte value, string header, string tag) => pair.Send(
            pair.A, HttpMethod.Put, "/b/lock", [value], (header, tag));

        string first = Put(1, "If-None-Match", "*").Headers.ETag!.Tag;
        Assert.Equal(HttpStatusCode.PreconditionFailed, Put(2, "If-None-Match", "*").StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, Put(2, "If-Match", "\"x\"").StatusCode);
        Assert.Equal([1], TestPair.Body(pair.Get("/b/lock")));
        string second = Put(3, "If-Match", $"\"x\", {first}").Headers.ETag!.Tag;
        Assert.Equal(
            HttpStatusCode.NotModified,
            pair.Send(pair.A, HttpMethod.Get, "/b/lock", null, ("If-None-Match", second))
                .StatusCode);
        Assert.Equal(
            HttpStatusCode.PreconditionFailed,
            pair.Send(pair.A, HttpMethod.Delete, "/b/lock", null, ("If-Match", first)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, Put(4, "If-Match", "unquoted").StatusCode);
        Assert.Equal([3], TestPair.Body(pair.Get("/b/lock")));
    }

    [Fact]
    public void A_listing_has_a_bucket_by_prefix_and_in_pages()
    {
        foreach (string key in new[] { "a/1", "a/2", "a/3", "b/1", "%C3%A4" })
        {
            _ = pair.Put($"/bucket/{key}", new byte[3]);
            _ = pair.Put($"/bucket2/{key}", new byte[3]);
        }

        Assert.Equal("a/1 a/2 a/3 b/1 ä, more: false", List("/bucket"));
        Assert.Equal("a/1 a/2 a/3, more: false", List("/bucket?prefix=a/"));
        Assert.Equal("a/1 a/2, more: true", List("/bucket?prefix=a/&limit=2"));
        Assert.Equal("a/3, more: false", List("/bucket?prefix=a/&limit=2&after=a/2"));
        Assert.Equal(", more: false", List("/bucket?prefix=a/&after=b"));
        Assert.Equal(", more: false", List("/nothing"));

        string List(string target)
        {
            JsonNode said = JsonNode.Parse(TestPair.Text(pair.Get(target)))!;
            return string.Join(
                ' ', said["objects"]!.AsArray().Select(static one => $"{one!["key"]}"))
                + $", more: {said["more"]}";
        }
    }

    [Theory]
    [InlineData("GET", "/B/k", 400)]
    [InlineData("GET", "/b/%ff", 400)]
    [InlineData("GET", "/b?limit=0", 400)]
    [InlineData("GET", "/b?limit=x", 400)]
    [InlineData("POST", "/b/k", 405)]
    [InlineData("DELETE", "/b", 405)]
    [InlineData("GET", "/b/none", 404)]
    public void Whatever_is_wrong_is_said(string method, string target, int status)
    {
        HttpResponseMessage answer = pair.Send(pair.A, new(method), target);
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.NotEmpty($"{JsonNode.Parse(TestPair.Text(answer))!["error"]}");
    }

    [Fact]
    public void Damaged_bytes_are_never_sent()
    {
        byte[] body = RandomNumberGenerator.GetBytes(1000);
        _ = pair.Put("/b/k", body);
        pair.Bytes.Span[pair.Bytes.Span.IndexOf(body) + 500] ^= 1;
        HttpResponseMessage answer = pair.Get("/b/k");
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("b/k: its bytes are not those", TestPair.Text(answer));
        Assert.Contains(pair.A.Log, static line => line.StartsWith("object b/k, chunk 0", default));
    }

    [Fact]
    public void Damage_behind_the_first_chunk_ends_the_connection()
    {
        byte[] body = RandomNumberGenerator.GetBytes(2 * Layout.ChunkBytes);
        _ = pair.Put("/b/k", body);
        pair.Bytes.Span[pair.Bytes.Span.IndexOf(body.AsSpan(^1000)) + 500] ^= 1;
        _ = Assert.ThrowsAny<HttpRequestException>(() => TestPair.Body(pair.Get("/b/k")));
    }

    [Fact]
    public void A_full_volume_says_so_and_loses_nothing()
    {
        byte[] body = RandomNumberGenerator.GetBytes(500_000);
        int count = 0;
        HttpResponseMessage answer;
        while ((answer = pair.Put($"/b/{count}", body)).IsSuccessStatusCode)
        {
            count++;
        }

        Assert.Equal(HttpStatusCode.InsufficientStorage, answer.StatusCode);
        Assert.Contains("delete objects", TestPair.Text(answer));
        Assert.InRange(count, 4, 6);
        Assert.True(TestPair.Body(pair.Get("/b/0")).AsSpan().SequenceEqual(body));
        _ = pair.Send(pair.A, HttpMethod.Delete, "/b/1");
        Assert.Equal(HttpStatusCode.Created, pair.Put("/b/other", body).StatusCode);
    }

    [Fact]
    public void A_put_that_is_shut_off_leaves_nothing()
    {
        _ = pair.Put("/b/before", [1]);
        uint free = Free();
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(
            TestPair.Gateway(pair.A).DataDirectory, "objects.sock")));
        _ = socket.Send(Encoding.ASCII.GetBytes(
            "PUT /b/half HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n"));
        _ = socket.Send(new byte[300_000]);
        Until(() => Free() < free, "it is under way");
        socket.Dispose();
        Until(() => Free() == free, "its blocks are free");
        Assert.Equal(HttpStatusCode.NotFound, pair.Get("/b/half").StatusCode);
    }

    [Fact]
    public void The_partner_goes_on_with_all_of_it_and_gives_it_back()
    {
        byte[] body = RandomNumberGenerator.GetBytes(10_000);
        Assert.Equal(HttpStatusCode.Created, pair.Put("/b/k", body).StatusCode);
        HttpResponseMessage away = pair.Send(pair.B, HttpMethod.Get, "/b/k");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, away.StatusCode);
        JsonNode said = JsonNode.Parse(TestPair.Text(away))!;
        Assert.Equal(
            ("vol0 is not served here", "a"), ($"{said["error"]}", $"{said["partner"]}"));

        pair.Serve("b");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, pair.Get("/b/k").StatusCode);
        Assert.True(TestPair.Body(pair.Send(pair.B, HttpMethod.Get, "/b/k")).AsSpan()
            .SequenceEqual(body));
        Assert.Equal(
            HttpStatusCode.NoContent,
            pair.Send(pair.B, HttpMethod.Put, "/b/k", [7]).StatusCode);

        pair.Serve(null);
        Assert.Equal(
            HttpStatusCode.ServiceUnavailable,
            pair.Send(pair.B, HttpMethod.Put, "/b/k", [8]).StatusCode);
        pair.Serve("a");
        Assert.Equal([7], TestPair.Body(pair.Get("/b/k")));
        JsonNode status = new GatewayStatus(
            TestPair.Gateway(pair.A), new("vol0", true, "", null)).Report()!;
        Assert.Equal((2, 1), ((int)status["mounts"]!, (int)status["objects"]!));
    }

    private uint Free() => TestPair.Gateway(pair.A).Standing.Mount!.Store.Index.Space.Free;

    private void Until(Func<bool> condition, string what) => Assert.True(
        SpinWait.SpinUntil(
            () =>
            {
                pair.Pair.Run(TimeSpan.FromMilliseconds(1));
                return condition();
            },
            TimeSpan.FromSeconds(20)),
        what);
}
