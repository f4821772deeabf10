"""The identity provider as the use cases see it: it tells who somebody is, never what they may do."""

from typing import Protocol

import msgspec

from application.memberships import Identity
from domain.errors import DomainError


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What one sign-in must be answered with: random, kept by the browser that began it, used once."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    async def address(self, sign_in: SignIn, redirect_uri: str) -> str:
        """Where to send the browser. Raises ProviderUnreachable."""

    async def identity(self, sign_in: SignIn, redirect_uri: str, code: str) -> Identity:
        """Who came back with this code. Raises ProviderUnreachable, SignInRefused, WeakSignIn."""


class NoProvider(DomainError):
    """This installation has no identity provider: nobody can sign in here but by a bootstrap link."""

    code = "no_identity_provider"
    status = 404
    title_fr = "Cette installation n'a pas de fournisseur d'identité : on n'y entre que par un lien d'amorçage."


class ProviderUnreachable(DomainError):
    """The identity provider does not answer as it should; try again in a moment."""

    code = "identity_provider_unreachable"
    status = 503
    title_fr = "Le fournisseur d'identité ne répond pas comme il le devrait ; réessayez dans un instant."


class SignInRefused(DomainError):
    """The identity provider refused, or what it answered is not for this sign-in: begin again."""

    code = "sign_in_refused"
    status = 403
    title_fr = "Le fournisseur d'identité a refusé, ou sa réponse n'est pas celle attendue ici : recommencez."


class WeakSignIn(DomainError):
    """Signing in takes two factors; the identity provider does not say that there were."""

    code = "weak_sign_in"
    status = 403
    title_fr = "Il faut s'identifier avec deux facteurs ; le fournisseur d'identité ne dit pas que ce fut le cas."
