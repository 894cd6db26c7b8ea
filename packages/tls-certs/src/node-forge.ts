import 'node-forge';

declare module 'node-forge' {
  namespace pki {
    /** The part of a certificate that is signed; `@types/node-forge` leaves it out. */
    function getTBSCertificate(certificate: Certificate): asn1.Asn1;
  }
}
