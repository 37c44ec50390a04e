namespace Sample.ObjectGateway.Tests;

/// <summary>What a request may name.</summary>
public sealed class TargetTests
{
    [Theory]
    [InlineData("/b/k", "b", "k")]
    [InlineData("/b/k?x=/y", "b", "k")]
    [InlineData("/b/../a//b/./c/", "b", "../a//b/./c/")]
    [InlineData("/b-1.x/a%20b%2Fc%C3%A4%25", "b-1.x", "a b/cä%")]
    [InlineData("/b", "b", null)]
    [InlineData("/b/", "b", null)]
    [InlineData("/b?prefix=a", "b", null)]
    public void Is_a_bucket_or_an_object(string raw, string bucket, string? key) =>
        Assert.Equal(new(bucket, key), Target.Read(raw, out _));

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("//k")]
    [InlineData("*")]
    [InlineData("http://node/b/k")]
    [InlineData("/B/k")]
    [InlineData("/b_/k")]
    [InlineData("/b/%")]
    [InlineData("/b/%4")]
    [InlineData("/b/%zz")]
    [InlineData("/b/%00")]
    [InlineData("/b/a\nb")]
    [InlineData("/b/%ff")]
    [InlineData("/b/%C3%28")]
    [InlineData("/b/é")]
    public void Anything_else_is_refused_with_a_reason(string raw)
    {
        Assert.Null(Target.Read(raw, out string wrong));
        Assert.NotEmpty(wrong);
    }

    [Fact]
    public void A_key_has_1024_bytes_at_most()
    {
        Assert.NotNull(Target.Read("/b/" + new string('k', 1024), out _));
        Assert.Null(Target.Read("/b/" + new string('k', 1025), out _));
    }
}
